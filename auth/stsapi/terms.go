package stsapi

import (
	"bytes"
	"compress/flate"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"drydock/auth/identity"
	"drydock/auth/policy"
)

// maxPolicyARNs is how many managed policies may be session policies.
const maxPolicyARNs = 10

// terms are what a session is asked to be limited by and to carry, with the share
// of the room for it that it takes, in percent.
type terms struct {
	identity.Terms
	packed int32
	// asked are the tags of this request alone, not those that the caller's own
	// session hands on; askedToHandOn are the keys of those that it is to hand on.
	asked         map[string]string
	askedToHandOn []string
	// given reports whether there is anything of which AWS tells the size.
	given bool
}

// request is what the requests for sessions have in common.
type request struct {
	policy     *string
	policyARNs []types.PolicyDescriptorType
	tags       map[string]string
	transitive []string
	// inherited are the tags that the caller's own session hands on.
	inherited map[string]string
}

// tagsOf reads the tags of a request.
func tagsOf(list []types.Tag) (map[string]string, error) {
	tags := make(map[string]string, len(list))
	for _, t := range list {
		if _, twice := named(tags, *t.Key); twice {
			return nil, invalidTag("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		tags[*t.Key] = *t.Value
	}
	return tags, nil
}

// named finds the key of a tag by a name that may differ in case.
func named(tags map[string]string, name string) (string, bool) {
	for k := range tags {
		if strings.EqualFold(k, name) {
			return k, true
		}
	}
	return "", false
}

// terms checks what a session is asked to have. Errors: those of STS.
func (r request) terms() (terms, error) {
	t := terms{asked: r.tags, given: r.policy != nil || len(r.policyARNs) > 0 || len(r.tags) > 0}
	length := 0
	if r.policy != nil {
		t.Policy = *r.policy
		length = utf8.RuneCountInString(t.Policy)
	}
	if len(r.policyARNs) > maxPolicyARNs {
		return t, invalidParameter("1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to %d", maxPolicyARNs)
	}
	for _, a := range r.policyARNs {
		if a.Arn == nil {
			return t, invalidParameter("A session policy needs its ARN")
		}
		t.PolicyARNs = append(t.PolicyARNs, *a.Arn)
		length += len(*a.Arn)
	}
	if length > policy.MaxSession {
		return t, invalidParameter("1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to %d", policy.MaxSession)
	}
	if err := t.addTags(r); err != nil {
		return t, err
	}
	return t, t.pack()
}

func (t *terms) addTags(r request) error {
	for _, key := range r.transitive {
		k, there := named(r.tags, key)
		if !there {
			return invalidTag("The specified transitive tag key must be included in the requested tags.")
		}
		t.askedToHandOn = append(t.askedToHandOn, k)
	}
	for key := range r.tags {
		switch _, handed := named(r.inherited, key); {
		case handed:
			return invalidTag("One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalidTag("aws: prefixed tag key names are not allowed for external use.")
		}
	}
	t.Tags = identity.MergeTags(r.inherited, r.tags)
	t.Transitive = slices.Clone(t.askedToHandOn)
	for key := range r.inherited {
		t.Transitive = append(t.Transitive, key)
	}
	slices.Sort(t.Transitive)
	return nil
}

// The room for what a session carries. AWS does not publish how it packs: of tags
// it is known that nine of 252 characters took 498 % of the room, of policies only
// that they are compressed.
const (
	roomForTags     = 459
	roomForPolicies = 2048
)

// pack finds out which share of the room is taken.
func (t *terms) pack() error {
	size := 0
	for k, v := range t.Tags {
		size += len(k) + len(v) + 2
	}
	ofTags := percent(size, roomForTags)
	if ofTags > 100 {
		return tooLarge("Packed size of session tags consumes %d%% of allotted space.", ofTags)
	}
	ofPolicies := 0
	if t.Policy != "" || len(t.PolicyARNs) > 0 {
		ofPolicies = percent(deflated(t.Policy+strings.Join(t.PolicyARNs, "")), roomForPolicies)
	}
	if t.packed = int32(ofTags + ofPolicies); t.packed > 100 {
		return tooLarge("Packed policy consumes %d%% of allotted space, please use smaller policy.", t.packed)
	}
	return nil
}

// percent is rounded up.
func percent(part, whole int) int { return (100*part + whole - 1) / whole }

// deflated is the length of a text once it is compressed.
func deflated(s string) int {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return len(s)
	}
	_, _ = w.Write([]byte(s)) // a bytes.Buffer does not fail
	_ = w.Close()
	return b.Len()
}

// maxToken is the longest session token that may be asked for, in bytes.
const maxToken = 4096

// tokenSize reads the least size that a session token is to have.
func tokenSize(asked *int32) (int, error) {
	if asked == nil {
		return 0, nil
	}
	if *asked < 0 || *asked > maxToken {
		return 0, invalidParameter("1 validation error detected: Value '%d' at 'minimumSessionTokenSize' failed to satisfy constraint: Member must have value between 0 and %d", *asked, maxToken)
	}
	return int(*asked), nil
}

// tokenUse is the length of a session token, and how much of the longest that is,
// in percent.
func tokenUse(c identity.Credentials) (size, utilization *int32) {
	n := int32(len(c.SessionToken))
	share := int32(percent(len(c.SessionToken), maxToken))
	return &n, &share
}

// packedSize is what an answer tells of it: nothing where nothing was asked for.
func (t terms) packedSize() *int32 {
	if !t.given {
		return nil
	}
	return &t.packed
}

// keys are the condition keys of the tags of a request.
func (t terms) keys(into map[string][]string) {
	if len(t.asked) == 0 {
		return
	}
	var names []string
	for k, v := range t.asked {
		into["aws:requesttag/"+strings.ToLower(k)] = []string{v}
		names = append(names, k)
	}
	slices.Sort(names)
	into["aws:tagkeys"] = names
	if len(t.askedToHandOn) > 0 {
		into["sts:transitivetagkeys"] = t.askedToHandOn
	}
}
