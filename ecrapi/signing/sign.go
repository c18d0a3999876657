package signing

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/notation-core-go/signature/jws"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drydock/auth"
	"drydock/ecrapi/events"
	"drydock/internal/jobs"
	"drydock/storage"
)

// ArtifactType is that of signatures.
// Source: https://github.com/notaryproject/specifications, "Signature specification".
const ArtifactType = "application/vnd.cncf.notary.signature"

const (
	payloadType = "application/vnd.cncf.notary.payload.v1+json"
	// thumbprints are the SHA-256 of the certificates, from the signer's up.
	thumbprints = "io.cncf.notary.x509chain.thumbprint#S256"
	agent       = "drydock"
)

// The reasons for which an image is not signed, and never will be by itself. ECR
// does not say what its are called.
const (
	denied     = "AccessDeniedException"
	noProfile  = "ResourceNotFoundException"
	overQuota  = "LimitExceededException"
	noIdentity = "ValidationException"
)

// Options is what a Signer is made of. All is needed.
type Options struct {
	Engine     *storage.Registry
	Profiles   *Profiles
	Authorizer auth.Authorizer
	Now        func() time.Time
}

// Signer signs what is ordered, and tells how that went.
type Signer struct{ o Options }

// New makes a Signer.
func New(o Options) (*Signer, error) {
	if o.Engine == nil || o.Profiles == nil || o.Authorizer == nil || o.Now == nil {
		return nil, errors.New("a signer needs an engine, profiles, an authorizer and a clock")
	}
	return &Signer{o}, nil
}

// Worker signs the images that are ordered.
func (s *Signer) Worker() jobs.Worker {
	return jobs.Worker{AtOnce: 4, Timeout: time.Minute, Do: func(ctx context.Context, j jobs.Job) error {
		var o order
		if err := json.Unmarshal([]byte(j.Document), &o); err != nil {
			return jobs.GiveUp(fmt.Errorf("read what is to be signed: %w", err))
		}
		err := s.sign(ctx, o)
		if isGone(err) {
			return nil // there is nothing left to sign
		}
		return err
	}}
}

func isGone(err error) bool {
	var repository *storage.RepositoryUnknownError
	var manifest *storage.ManifestUnknownError
	return errors.As(err, &repository) || errors.As(err, &manifest)
}

// sign signs one image with one profile, unless it is, or writes down why it cannot
// be. An error means that it is worth while to try again.
func (s *Signer) sign(ctx context.Context, o order) error {
	what := o.signing()
	if signed, err := s.o.Engine.IsSigned(ctx, what); err != nil || signed {
		return err
	}
	err := s.trySign(ctx, o, what)
	var refused *refusal
	var quota *storage.QuotaError
	if errors.As(err, &quota) {
		refused = &refusal{overQuota, quota.Error()}
	} else if !errors.As(err, &refused) {
		return err
	}
	told := s.told(what, "FAILED")
	told.Detail["failure-code"], told.Detail["failure-reason"] = refused.code, refused.reason
	return s.o.Engine.FailSignature(ctx, what, refused.code, refused.reason, told)
}

// refusal is why an image is not signed.
type refusal struct{ code, reason string }

func (r *refusal) Error() string { return r.code + ": " + r.reason }

// trySign signs an image. Errors: *refusal, and those of storage.
func (s *Signer) trySign(ctx context.Context, o order, what storage.Signing) error {
	of, profile, ok := ParseARN(o.Profile)
	if !ok {
		return &refusal{noProfile, "The signing profile " + o.Profile + " does not exist"}
	}
	by, err := auth.ParseCaller(o.By)
	if err != nil {
		return &refusal{noIdentity, "It is not known who pushed the image"}
	}
	err = by.Authorize(ctx, s.o.Authorizer, auth.Request{Action: "signer:SignPayload", Resource: o.Profile, ResourceAccount: of.Account, Region: of.Region})
	var no *auth.DeniedError
	if errors.As(err, &no) {
		return &refusal{denied, no.Error()}
	}
	if err != nil {
		return fmt.Errorf("find out whether %s may sign: %w", by.Principal.ARN, err)
	}
	leaf, err := s.o.Profiles.signer(ctx, of, profile)
	if errors.Is(err, ErrUnknown) {
		return &refusal{noProfile, "The signing profile " + o.Profile + " does not exist"}
	}
	if err != nil {
		return err
	}
	m, err := s.o.Engine.Manifest(ctx, what.Ref, storage.Reference{Digest: what.Digest})
	if err != nil {
		return err
	}
	subject := v1.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: int64(len(m.Content))}
	envelope, err := envelopeOf(ctx, subject, leaf, s.o.Now())
	if err != nil {
		return err
	}
	manifest, config, err := manifestOf(subject, envelope, leaf, s.o.Now())
	if err != nil {
		return err
	}
	told := s.told(what, "COMPLETE")
	told.Detail["signature-digest"] = string(digest.FromBytes(manifest))
	return s.o.Engine.AddSignature(ctx, what, storage.ManifestUpload{Content: manifest, Also: []storage.Change{told}}, config, envelope)
}

// told is what is told of how signing went. ECR tells nothing of it.
func (s *Signer) told(what storage.Signing, status string) storage.Change {
	return storage.Change{Kind: events.Signed, Ref: what.Ref, Digest: what.Digest, At: s.o.Now(), Detail: map[string]any{
		"signing-profile-arn": what.Profile, "signing-status": status,
	}}
}

// envelopeOf makes the envelope of a signature: what is signed is the descriptor.
func envelopeOf(ctx context.Context, subject v1.Descriptor, leaf identity, now time.Time) ([]byte, error) {
	payload, err := json.Marshal(map[string]v1.Descriptor{"targetArtifact": subject})
	if err != nil {
		return nil, fmt.Errorf("write what is signed: %w", err)
	}
	signer, err := signature.NewLocalSigner(chain(leaf), leaf.key)
	if err != nil {
		return nil, fmt.Errorf("use the key of a profile: %w", err)
	}
	request := &signature.SignRequest{
		Payload: signature.Payload{ContentType: payloadType, Content: payload},
		Signer:  signer, SigningTime: now.Truncate(time.Second), SigningScheme: signature.SigningSchemeX509, SigningAgent: agent,
	}
	envelope, err := jws.NewEnvelope().Sign(request.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", subject.Digest, err)
	}
	return envelope, nil
}

func chain(leaf identity) []*x509.Certificate {
	return []*x509.Certificate{leaf.certificate, leaf.issuer}
}

// manifestOf makes the manifest of a signature, and its configuration, which says
// nothing.
func manifestOf(subject v1.Descriptor, envelope []byte, leaf identity, now time.Time) (manifest, config []byte, err error) {
	var prints []string
	for _, c := range chain(leaf) {
		sum := sha256.Sum256(c.Raw)
		prints = append(prints, hex.EncodeToString(sum[:]))
	}
	list, err := json.Marshal(prints)
	if err != nil {
		return nil, nil, fmt.Errorf("write the thumbprints of certificates: %w", err)
	}
	config = []byte("{}")
	manifest, err = json.Marshal(v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, ArtifactType: ArtifactType,
		Config:      descriptor(ArtifactType, config),
		Layers:      []v1.Descriptor{descriptor(jws.MediaTypeEnvelope, envelope)},
		Subject:     &subject,
		Annotations: map[string]string{thumbprints: string(list), v1.AnnotationCreated: now.UTC().Format(time.RFC3339)},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("write the manifest of a signature: %w", err)
	}
	return manifest, config, nil
}

func descriptor(mediaType string, content []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
}
