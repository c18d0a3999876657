package awsapi

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
)

func TestAServiceWithoutRegionsTakesAllOfThem(t *testing.T) {
	var region string
	service, err := NewService(mustLoad(t, "iam"), []Operation{
		Op("GetUser", func(ctx context.Context, _ *iam.GetUserInput) (*iam.GetUserOutput, error) {
			region = CallFrom(ctx).Region
			return nil, nil
		}, func(context.Context, *iam.GetUserInput) ([]Need, error) { return nil, nil }),
	})
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, func(o *Options) { o.Services = append(o.Services, service) })
	for signed, want := range map[string]int{"us-east-1": 200, "eu-west-1": 200, "ap-south-2": 200, "nowhere": 403} {
		region = ""
		w, _ := h.do(call{query: true, service: "iam", region: signed, body: "Action=GetUser&Version=2010-05-08"}.request(t))
		if w.Code != want || want == 200 && region != "us-east-1" {
			t.Errorf("signed for %s: %d, region %q\n%s", signed, w.Code, region, w.Body)
		}
	}
}
