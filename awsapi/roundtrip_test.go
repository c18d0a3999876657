package awsapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"drydock/awsapi/constraints"
)

// streams are operations that answer with a stream of events, in a protocol of
// their own.
var streams = map[string]bool{"GetLogObject": true, "StartLiveTail": true}

// The SDK's own clients send every operation's input, filled at random, and read
// its output: what they wrote must be what the codec reads, and the other way
// round.
func TestTheCodecsSpeakAsTheSDKDoes(t *testing.T) {
	creds := credentials.NewStaticCredentialsProvider("AKIADEV", "secret", "")
	for _, c := range []struct {
		name    string
		model   *constraints.Model
		client  func(endpoint *string) any
		foreign int // exchanges that may fail for a union
	}{
		{"ecr", mustLoad(t, "ecr"), func(e *string) any {
			return ecr.New(ecr.Options{Region: "eu-west-1", BaseEndpoint: e, Credentials: creds})
		}, 0},
		{"sts", mustLoad(t, "sts"), func(e *string) any {
			return sts.New(sts.Options{Region: "eu-west-1", BaseEndpoint: e, Credentials: creds})
		}, 0},
		{"iam", mustLoad(t, "iam"), func(e *string) any {
			return iam.New(iam.Options{Region: "us-east-1", BaseEndpoint: e, Credentials: creds})
		}, 0},
		{"ecs", mustLoad(t, "ecs"), func(e *string) any {
			return ecs.New(ecs.Options{Region: "eu-west-1", BaseEndpoint: e, Credentials: creds})
		}, 20},
		{"logs", mustLoad(t, "logs"), func(e *string) any {
			return cloudwatchlogs.New(cloudwatchlogs.Options{Region: "eu-west-1", BaseEndpoint: e, Credentials: creds})
		}, 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			echo := &echo{t: t, service: &Service{model: c.model, planner: &planner{spell: c.model.Spell, done: map[reflect.Type]*plan{}}}}
			server := httptest.NewServer(echo)
			t.Cleanup(server.Close)
			client := reflect.ValueOf(c.client(&server.URL))
			walked := 0
			for i := range client.NumMethod() {
				method := client.Type().Method(i)
				if method.Type.NumIn() != 4 || !strings.HasSuffix(method.Type.In(2).String(), "."+method.Name+"Input") {
					continue
				}
				if _, known := c.model.Operations[method.Name]; !known && !echo.service.isJSON() {
					continue // the model does not say yet whether it answers a result
				}
				if streams[method.Name] {
					continue
				}
				walked++
				for range 5 {
					echo.exchange(method.Name, client.Method(i))
				}
			}
			if walked < len(c.model.Operations) || walked < 11 || echo.foreign > c.foreign {
				t.Errorf("%d operations, %d exchanges with what the codecs do not take", walked, echo.foreign)
			}
		})
	}
}

func mustLoad(t testing.TB, service string) *constraints.Model {
	t.Helper()
	m, err := constraints.Load(service)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// echo is a server that reads the input of one operation and answers an output.
type echo struct {
	t          *testing.T
	service    *Service
	name       string
	in, out    reflect.Value
	got        reflect.Value
	failure    error
	random     *rand.Rand
	sawRequest string
	foreign    int
}

func (e *echo) exchange(name string, call reflect.Value) {
	if e.random == nil {
		e.random = rand.New(rand.NewPCG(7, 7))
	}
	e.name = name
	e.in = reflect.New(call.Type().In(1).Elem())
	e.out = reflect.New(call.Type().Out(0).Elem())
	e.fill(e.in.Elem(), 0)
	e.fill(e.out.Elem(), 0)
	e.failure, e.got = nil, reflect.Value{}
	results := call.Call([]reflect.Value{reflect.ValueOf(context.Background()), e.in})
	if err, _ := results[1].Interface().(error); err != nil && strings.Contains(err.Error(), "missing required field") {
		e.foreign++ // what it requires is a union, which the codecs do not take
		return
	} else if err != nil || e.failure != nil {
		e.t.Fatalf("%s: %v (server: %v)", name, err, e.failure)
	}
	if d := difference(e.in, e.got, ""); d != "" {
		e.t.Fatalf("%s: what the SDK sent: %s\n%s", name, d, e.sawRequest)
	}
	back := results[0]
	if m := back.Elem().FieldByName("ResultMetadata"); m.IsValid() {
		m.SetZero()
	}
	if d := difference(e.out, back, ""); d != "" {
		e.t.Fatalf("%s: what was answered: %s", name, d)
	}
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		e.failure = err
		return
	}
	e.sawRequest = string(body)
	x := &exchange{id: "id", json: e.service.isJSON(), service: e.service, op: &operation{Operation: Operation{Name: e.name}}}
	p, err := e.service.planner.plan(e.in.Type())
	if err != nil {
		e.failure = err
		return
	}
	if x.op.out, err = e.service.planner.plan(e.out.Type()); err != nil {
		e.failure = err
		return
	}
	e.got = reflect.New(e.in.Type().Elem())
	if x.json {
		err = decodeJSON(p, body, e.got.Elem())
	} else {
		form, _ := parseForm(string(body))
		err = decodeForm(p, form, e.got.Elem())
	}
	e.failure = errors.Join(e.failure, err)
	answer := x.encode(e.out.Interface())
	w.Header().Set("Content-Type", contentXML)
	if x.json {
		w.Header().Set("Content-Type", contentJSON)
	}
	_, _ = w.Write(answer)
}

// fill sets every member to something, as deep as types go.
func (e *echo) fill(v reflect.Value, depth int) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		// Quarters of a second: the SDK cuts off what a float64 lacks.
		v.Set(reflect.ValueOf(time.UnixMilli(250 * e.random.Int64N(16e9)).UTC()))
		return
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		b := make([]byte, 1+e.random.IntN(40))
		for i := range b {
			b[i] = byte(e.random.Uint32())
		}
		v.SetBytes(b)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if depth > 12 {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		e.fill(v.Elem(), depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && f.Name != "ResultMetadata" {
				e.fill(v.Field(i), depth+1)
			}
		}
	case reflect.Slice:
		n := e.random.IntN(3)
		if depth > 8 || v.Type().Elem().Kind() == reflect.Interface {
			n = 0
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			e.fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		n := e.random.IntN(3)
		if !e.service.isJSON() {
			n = max(n, 1) // in a form an empty map is not there
		}
		for range n {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			e.fill(key, depth+1)
			e.fill(value, depth+1)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		v.SetString(e.text())
	case reflect.Bool:
		v.SetBool(e.random.IntN(2) == 0)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(int32(e.random.Uint32())))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(e.random.IntN(1e6)) / 64)
	case reflect.Interface: // the codecs take none
	default:
		e.t.Fatalf("cannot fill a %s", v.Type())
	}
}

// text is never empty: the SDK does not tell an empty enum from an absent one.
func (e *echo) text() string {
	alphabet := []rune("abcXYZ019-_./:+=@ <>&'\"\\\n\t\u2028é漢😀%;?#")
	out := make([]rune, 1+e.random.IntN(12))
	for i := range out {
		out[i] = alphabet[e.random.IntN(len(alphabet))]
	}
	out[0], out[len(out)-1] = 'a', 'z' // no blanks at the ends, which XML readers may drop
	return string(out)
}

// difference says where two values differ first, "" when they do not.
func difference(a, b reflect.Value, at string) string {
	if reflect.DeepEqual(a.Interface(), b.Interface()) {
		return ""
	}
	switch {
	case a.Kind() == reflect.Pointer && !a.IsNil() && !b.IsNil():
		return difference(a.Elem(), b.Elem(), at)
	case a.Kind() == reflect.Struct && a.Type() != reflect.TypeFor[time.Time]():
		for i := range a.NumField() {
			if f := a.Type().Field(i); f.IsExported() {
				if d := difference(a.Field(i), b.Field(i), at+"."+f.Name); d != "" {
					return d
				}
			}
		}
	case a.Kind() == reflect.Slice && a.Len() == b.Len():
		for i := range a.Len() {
			if d := difference(a.Index(i), b.Index(i), fmt.Sprintf("%s[%d]", at, i)); d != "" {
				return d
			}
		}
	}
	return fmt.Sprintf("%s: %#v became %#v", at, a.Interface(), b.Interface())
}

func TestWhatIsNotUnderstoodIsPassedOver(t *testing.T) {
	p := inputPlan(t, "ecr", reflect.TypeFor[ecr.DescribeRepositoriesInput]())
	var in ecr.DescribeRepositoriesInput
	body := []byte(`{"new":{"a":[1,2.5e3,"x\"",true,false,null,{}],"b":{}},"maxResults":null,"registryId":"1234567890","repositoryNames":["a"],"repositoryNames":["b"]}`)
	if err := decodeJSON(p, body, reflect.ValueOf(&in).Elem()); err != nil {
		t.Fatal(err)
	}
	want := ecr.DescribeRepositoriesInput{RegistryId: aws.String("1234567890"), RepositoryNames: []string{"b"}}
	if !reflect.DeepEqual(in, want) {
		t.Error(difference(reflect.ValueOf(want), reflect.ValueOf(in), ""))
	}
}

func inputPlan(t testing.TB, service string, typ reflect.Type) *plan {
	t.Helper()
	p, err := (&planner{spell: mustLoad(t, service).Spell, done: map[reflect.Type]*plan{}}).plan(typ)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMembersThatAreAbsentAreNotSent(t *testing.T) {
	p := inputPlan(t, "ecr", reflect.TypeFor[ecr.DescribeImagesOutput]())
	for _, c := range []struct {
		out  *ecr.DescribeImagesOutput
		want string
	}{
		{&ecr.DescribeImagesOutput{}, `{}`},
		{&ecr.DescribeImagesOutput{ImageDetails: nil, NextToken: aws.String("")}, `{"nextToken":""}`},
	} {
		if got := string(appendJSON(nil, p, reflect.ValueOf(c.out).Elem())); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}
