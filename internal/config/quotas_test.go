package config

import (
	"strings"
	"testing"
)

func TestQuotasAreToldInWordsOrAsAMapping(t *testing.T) {
	for said, want := range map[string]Quota{
		"bytes=10GiB":               {Bytes: 10 << 30},
		"images=5":                  {Images: 5},
		"images=5, bytes=512MiB":    {Bytes: 512 << 20, Images: 5},
		"none":                      {},
		"{bytes: 10GiB, images: 5}": {Bytes: 10 << 30, Images: 5},
		"{images: 5}":               {Images: 5},
	} {
		got, err := load(t, nil, nil, "account-quota: bytes=1\nrepository-quota: "+said+"\n")
		if err != nil || got.RepositoryQuota != want || got.AccountQuota != (Quota{Bytes: 1}) {
			t.Errorf("%s: %+v and %+v, %v", said, got.AccountQuota, got.RepositoryQuota, err)
		}
		again, err := parseQuota(got.RepositoryQuota.String())
		if err != nil || again != want {
			t.Errorf("%s is shown as %s: %v", said, got.RepositoryQuota, err)
		}
	}
}

func TestAQuotaThatIsNoneIsRefused(t *testing.T) {
	for said, says := range map[string]string{
		"10GiB":                    "is not a quota: give bytes=10GiB",
		"bytes=":                   "not a number of bytes, such as 10GiB",
		"bytes=0":                  "not a number of bytes, such as 10GiB",
		"bytes=ten":                "not a number of bytes, such as 10GiB",
		"bytes=1GiB,bytes=2GiB":    "is not a quota",
		"images=-1":                "not a number of images, such as 1000",
		"images=1.5":               "not a number of images, such as 1000",
		"tags=5":                   "nothing that a quota limits",
		"{bytes: [1GiB]}":          "each one value",
		"{bytes: 1GiB, layers: 4}": "line 1: \"layers\" is nothing that a quota limits",
		"[]":                       "want one value",
	} {
		_, err := load(t, nil, nil, "repository-quota: "+said+"\n")
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "repository-quota") {
			t.Errorf("%s: %v", said, err)
		}
	}
	if _, err := load(t, []string{"--disk-watermark", "much"}, nil, ""); err == nil || !strings.HasPrefix(err.Error(), "--disk-watermark: ") {
		t.Errorf("a watermark: %v", err)
	}
}
