package oidc

import (
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Claims is what a token says that was found good.
type Claims struct {
	// Issuer is iss, Subject sub.
	Issuer, Subject string
	// Party is whom the token was given to: azp, or aud where there is no azp.
	// Of several audiences it holds those that are agreed on.
	Party []string
	// Audience is aud as it stands.
	Audience []string
	// Methods is amr, how the bearer proved themselves to the issuer.
	Methods []string
	// Email is empty where the token has none.
	Email string
	// Tags are session tags, Transitive the keys of those to be handed on.
	Tags       map[string]string
	Transitive []string
	// SourceIdentity is empty where the token has none.
	SourceIdentity string
}

// skew is by how much the clocks of an issuer may be ahead.
const skew = 5 * time.Minute

// The claims in which AWS looks for session tags and source identity.
// Source: IAM User Guide, "Pass session tags in AWS STS".
const (
	tagsClaim           = "https://aws.amazon.com/tags"
	sourceIdentityClaim = "https://aws.amazon.com/source_identity"
)

// read checks claims whose signature is good.
func (i *issuer) read(m jwt.MapClaims, now time.Time) (*Claims, error) {
	if err := checkTimes(m, now); err != nil {
		return nil, err
	}
	c := &Claims{Issuer: i.URL}
	var err error
	if c.Subject, err = m.GetSubject(); err != nil || c.Subject == "" {
		return nil, refuse(Invalid, "Missing a required claim: sub")
	}
	audience, err := m.GetAudience()
	if err != nil || len(audience) == 0 {
		return nil, refuse(Invalid, "Missing a required claim: aud")
	}
	c.Audience = audience
	// Where the token says for whom it was made out, that one counts, and an
	// audience beside it does not help.
	party, given := m["azp"]
	azp, isText := party.(string)
	if given && !isText {
		return nil, refuse(Invalid, "Incorrect token audience")
	}
	c.Party = []string(audience)
	if azp != "" {
		c.Party = []string{azp}
	}
	c.Party = slices.DeleteFunc(slices.Clone(c.Party), func(a string) bool { return !slices.Contains(i.Audiences, a) })
	if len(c.Party) == 0 {
		return nil, refuse(Invalid, "Incorrect token audience")
	}
	c.Email, _ = m["email"].(string)
	if c.Methods, isText = words(m["amr"]); !isText {
		return nil, refuse(Rejected, "The claim amr is not a list of words")
	}
	return c, c.readSession(m)
}

func checkTimes(m jwt.MapClaims, now time.Time) error {
	expires, err := m.GetExpirationTime()
	if err != nil || expires == nil {
		return refuse(Invalid, "Missing a required claim: exp")
	}
	if !now.Before(expires.Time) {
		return refuse(Expired, "Token expired: current date/time %d must be before the expiration date/time %d", now.Unix(), expires.Unix())
	}
	issued, err := m.GetIssuedAt()
	if err != nil || issued == nil {
		return refuse(Invalid, "Missing a required claim: iat")
	}
	begins, err := m.GetNotBefore()
	if err != nil {
		return refuse(Invalid, "The claim nbf is not a time")
	}
	if begins == nil || begins.Before(issued.Time) {
		begins = issued
	}
	if begins.After(now.Add(skew)) {
		return refuse(Invalid, "Token not yet valid: current date/time %d must be after %d", now.Unix(), begins.Unix())
	}
	return nil
}

// readSession reads what the issuer wants the session to have.
func (c *Claims) readSession(m jwt.MapClaims) error {
	if given, ok := m[sourceIdentityClaim]; ok {
		if c.SourceIdentity, ok = given.(string); !ok {
			return refuse(Rejected, "The claim %s is not a word", sourceIdentityClaim)
		}
	}
	given, ok := m[tagsClaim]
	if !ok {
		return nil
	}
	wrong := refuse(Rejected, "The claim %s is not of the form {\"principal_tags\": {\"key\": [\"value\"]}, \"transitive_tag_keys\": [\"key\"]}", tagsClaim)
	tags, ok := given.(map[string]any)
	if !ok {
		return wrong
	}
	principal, ok := tags["principal_tags"].(map[string]any)
	if !ok {
		return wrong
	}
	c.Tags = make(map[string]string, len(principal))
	for key, v := range principal {
		values, ok := words(v)
		if !ok || len(values) != 1 {
			return wrong
		}
		c.Tags[key] = values[0]
	}
	if c.Transitive, ok = words(tags["transitive_tag_keys"]); !ok {
		return wrong
	}
	return nil
}

// words reads a claim that is a word or a list of words, or is not there.
func words(claim any) ([]string, bool) {
	switch v := claim.(type) {
	case nil:
		return nil, true
	case string:
		return []string{v}, true
	case []any:
		list := make([]string, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, false
			}
			list = append(list, s)
		}
		return list, true
	}
	return nil, false
}
