package auth

import (
	"context"
	"fmt"
)

// StaticKeys is a fixed set of credentials: the root keys a server starts with.
type StaticKeys struct {
	byID map[string]Credential
}

// NewStaticKeys indexes credentials by access key id. It is an error for two
// of them to share an id, or for one to lack an id or a secret.
func NewStaticKeys(creds ...Credential) (*StaticKeys, error) {
	k := &StaticKeys{byID: make(map[string]Credential, len(creds))}
	for _, c := range creds {
		if c.AccessKeyID == "" || c.SecretAccessKey == "" {
			return nil, fmt.Errorf("the key of %s needs both an access key id and a secret", c.Principal.ARN)
		}
		if _, taken := k.byID[c.AccessKeyID]; taken {
			return nil, fmt.Errorf("access key id %s is given twice", c.AccessKeyID)
		}
		c.Principal.AccessKeyID = c.AccessKeyID
		k.byID[c.AccessKeyID] = c
	}
	return k, nil
}

// Lookup implements Keys.
func (k *StaticKeys) Lookup(_ context.Context, accessKeyID string) (Credential, error) {
	c, ok := k.byID[accessKeyID]
	if !ok {
		return Credential{}, ErrUnknownKey
	}
	return c, nil
}
