package iamapi

import (
	"context"
	"errors"

	"drydock/auth"
	"drydock/auth/policy"
)

// fitForIAM refuses the credentials of GetSessionToken and GetFederationToken, as
// IAM does unless a device was shown for the former, and there are none here. A
// session of a role may call IAM.
//
// Source: IAM User Guide, "Compare AWS STS credentials".
func (s *Service) fitForIAM(ctx context.Context) error {
	subject, err := s.store.Subject(ctx, caller(ctx).AccessKeyID)
	switch {
	case errors.Is(err, auth.ErrUnknownKey):
		// Deleted since the signature was checked.
		return notForIAM()
	case err != nil:
		return err
	case subject.Temporary() && subject.Kind != policy.AssumedRole:
		return notForIAM()
	}
	return nil
}
