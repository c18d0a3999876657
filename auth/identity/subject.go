package identity

import (
	"context"
	"fmt"
	"strings"
	"time"

	"drydock/auth"
	"drydock/auth/policy"
	"drydock/storage/meta"
)

// Subject is who asks, with their policies, compiled, and all that conditions
// want to know of them. It is shared: nobody may change it.
type Subject struct {
	policy.Subject
	// UserID is what GetCallerIdentity shows: aws:userid.
	UserID string
	// UserName is set for users only: aws:username.
	UserName string
	// Tags are those of the user or role, under those of the session:
	// aws:PrincipalTag.
	Tags map[string]string
	// Transitive are the tags of the session that it hands on.
	Transitive map[string]string
	// SourceIdentity is aws:SourceIdentity, or empty.
	SourceIdentity string
	// FederatedProvider is aws:FederatedProvider, or empty.
	FederatedProvider string
	// IssuedAt is when temporary credentials were made, aws:TokenIssueTime, and
	// zero for long-term ones.
	IssuedAt time.Time
}

// Temporary reports whether the credentials are temporary ones.
func (s *Subject) Temporary() bool { return !s.IssuedAt.IsZero() }

// Subject tells who asks with an access key, with the policies that hold now.
// Errors: auth.ErrUnknownKey as Lookup.
func (s *Store) Subject(ctx context.Context, accessKeyID string) (*Subject, error) {
	found, ok, err := s.callers.subjects.get(accessKeyID, func(account string) (uint64, error) { return s.stands(ctx, account) })
	switch {
	case err != nil:
		return nil, fmt.Errorf("find out whether the policies of a caller have changed: %w", err)
	case ok:
		return found, nil
	}
	h, err := s.holder(ctx, accessKeyID)
	switch {
	case err != nil:
		return nil, fmt.Errorf("find out whose access key it is: %w", err)
	case h == nil || h.credential == nil:
		return nil, auth.ErrUnknownKey
	}
	account := h.owner.account
	at, err := s.consistent(ctx, account, func() error {
		// Again, for it to be of one piece with the policies.
		h, err := s.loadHolder(ctx, accessKeyID)
		switch {
		case err != nil:
			return err
		case h == nil || h.credential == nil || h.owner.account != account:
			return auth.ErrUnknownKey
		}
		found, err = s.loadSubject(ctx, h.owner)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the policies of a caller: %w", err)
	}
	s.callers.subjects.put(accessKeyID, maxCallers, found, account, at)
	return found, nil
}

// SubjectOf tells who would ask, if a principal did: a user, a role, a session
// of a role, the root of an account, whoever has the token of an OpenID Connect
// provider, a service such as ecs-tasks.amazonaws.com; a group stands for a user who
// has its policies alone. Errors:
// *InvalidError, *NoSuchError.
func (s *Store) SubjectOf(ctx context.Context, principalARN string) (*Subject, error) {
	if isProvider(principalARN) {
		// They have nothing yet, not even an account.
		return &Subject{Subject: policy.Subject{Kind: policy.WebIdentity, ARN: principalARN}}, nil
	}
	if isService(principalARN) {
		return &Subject{Subject: policy.Subject{Kind: policy.Service, ARN: principalARN}}, nil
	}
	p, err := parsePrincipal(principalARN)
	if err != nil {
		return nil, err
	}
	if _, err := s.Account(ctx, p.account); err != nil {
		return nil, err
	}
	var found *Subject
	_, err = s.consistent(ctx, p.account, func() (err error) {
		found, err = s.imagine(ctx, p)
		return err
	})
	return found, err
}

// imagined is the name of the session of a role that nobody has assumed.
const imagined = "drydock"

// imagine makes the subject of a principal without a key.
func (s *Store) imagine(ctx context.Context, p place) (*Subject, error) {
	o := owner{kind: userSession, id: p.account, account: p.account}
	if p.root {
		return s.loadSubject(ctx, o)
	}
	e, err := find(ctx, s.reader(), p.account, Entity{p.kind, p.name})
	if err != nil {
		return nil, err
	}
	o.id, o.name, o.path = e.id, e.name, e.path
	switch p.kind {
	case KindGroup:
		u := &Subject{Subject: policy.Subject{Kind: policy.User, ARN: e.arn(), Account: e.account}, UserID: e.id}
		u.Identity, err = s.policiesOf(ctx, e, "")
		return u, err
	case KindRole:
		o.kind, o.session = roleSession, &session{name: p.session, issued: s.now()}
		if p.session == "" {
			o.session.name = imagined
		}
	}
	return s.loadSubject(ctx, o)
}

// loadSubject reads the policies and tags of an owner of keys.
func (s *Store) loadSubject(ctx context.Context, o owner) (*Subject, error) {
	who := o.principal("")
	u := &Subject{Subject: policy.Subject{ARN: who.ARN, Account: who.Account, Kind: policy.Root}, UserID: who.UserID}
	if !o.isRoot() {
		if err := s.loadPolicies(ctx, o, u); err != nil {
			return nil, err
		}
	}
	switch o.kind {
	case roleSession:
		u.Kind = policy.AssumedRole
		u.RoleARN = ARN(o.account, KindRole, o.path, o.name)
	case federatedSession:
		u.Kind = policy.FederatedUser
		u.UserARN = owner{kind: userSession, id: o.id, account: o.account, name: o.name, path: o.path}.principal("").ARN
		u.HasSession = true
	default:
		if !o.isRoot() {
			u.Kind, u.UserName = policy.User, o.name
		}
	}
	if o.session != nil {
		return u, s.applySession(ctx, o, u)
	}
	return u, nil
}

// applySession adds what a session brings with it.
func (s *Store) applySession(ctx context.Context, o owner, u *Subject) error {
	t := o.session.terms
	u.IssuedAt, u.SourceIdentity, u.FederatedProvider = o.session.issued, t.SourceIdentity, t.FederatedProvider
	u.Tags = MergeTags(u.Tags, t.Tags)
	for _, key := range t.Transitive {
		if u.Transitive == nil {
			u.Transitive = map[string]string{}
		}
		u.Transitive[key] = t.Tags[key]
	}
	if t.Policy != "" {
		u.HasSession = true
		document, err := s.documents.identity(t.Policy)
		if err != nil {
			return fmt.Errorf("compile the session policy of %s: %w", u.ARN, err)
		}
		u.Session = append(u.Session, policy.Attached{Kind: policy.KindSession, Name: "session policy", Document: document})
	}
	for _, a := range t.PolicyARNs {
		u.HasSession = true
		document, err := s.managedDocument(ctx, o.account, a)
		if err != nil {
			return err
		}
		// One that was deleted meanwhile allows nothing any more.
		if document != nil {
			u.Session = append(u.Session, policy.Attached{Kind: policy.KindSession, Name: a, Document: document})
		}
	}
	return nil
}

// MergeTags puts tags over others. Keys are not distinguished by case.
func MergeTags(under, over map[string]string) map[string]string {
	if len(over) == 0 {
		return under
	}
	merged := make(map[string]string, len(under)+len(over))
	for k, v := range under {
		merged[k] = v
	}
	for k, v := range over {
		for u := range under {
			if strings.EqualFold(u, k) {
				delete(merged, u)
			}
		}
		merged[k] = v
	}
	return merged
}

// Trust returns the trust policy of a role, compiled, and the role with it.
// Errors: *NoSuchError, *InvalidError.
func (s *Store) Trust(ctx context.Context, roleARN string) (Role, *policy.Attached, error) {
	r, err := s.RoleByARN(ctx, roleARN)
	if err != nil {
		return Role{}, nil, err
	}
	document, err := s.documents.trust(r.Trust)
	if err != nil {
		return Role{}, nil, fmt.Errorf("compile the trust policy of %s: %w", roleARN, err)
	}
	return r, &policy.Attached{Kind: policy.KindTrust, Name: "trust policy of role/" + r.Name, Document: document}, nil
}

// loadPolicies reads the identity policies, the boundary and the tags of a user
// or role.
func (s *Store) loadPolicies(ctx context.Context, o owner, u *Subject) error {
	q := s.reader()
	e := entity{id: o.id, account: o.account, name: o.name, path: o.path, kind: KindUser}
	if o.kind == roleSession {
		e.kind = KindRole
	}
	var err error
	if u.Identity, err = s.policiesOf(ctx, e, ""); err != nil {
		return err
	}
	if e.kind == KindUser {
		of, err := groups(q.QueryContext(ctx, `SELECT `+groupColumns+` FROM iam_membership m JOIN iam_group g ON g.id = m.group_id
			WHERE m.user_id = $1 ORDER BY g.id`, e.id))
		if err != nil {
			return fmt.Errorf("list the groups of user %s: %w", e.name, err)
		}
		for _, g := range of {
			more, err := s.policiesOf(ctx, entity{g.ID, g.Account, g.Name, g.Path, KindGroup}, " of group/"+g.Name)
			if err != nil {
				return err
			}
			u.Identity = append(u.Identity, more...)
		}
	}
	boundary, err := boundaryOf(ctx, q, e)
	if err != nil {
		return err
	}
	if boundary != "" {
		document, err := s.managedDocument(ctx, o.account, boundary)
		if err != nil {
			return err
		}
		if document == nil {
			return fmt.Errorf("the permissions boundary %s of %s is gone", boundary, e.arn())
		}
		u.Boundary = &policy.Attached{Kind: policy.KindBoundary, Name: boundary, Document: document}
	}
	u.Tags, err = readTags(ctx, q, e.arn())
	return err
}

// policiesOf reads and compiles what a user, group or role has of its own. via
// is added to the names of managed policies.
func (s *Store) policiesOf(ctx context.Context, e entity, via string) ([]policy.Attached, error) {
	q := s.reader()
	var all []policy.Attached
	attached, err := texts(q.QueryContext(ctx, `SELECT policy_arn FROM iam_attachment WHERE entity_id = $1 ORDER BY policy_arn`, e.id))
	if err != nil {
		return nil, fmt.Errorf("list the policies of %s: %w", e.arn(), err)
	}
	for _, a := range attached {
		document, err := s.managedDocument(ctx, e.account, a)
		if err != nil {
			return nil, err
		}
		if document == nil {
			// It might have denied something: better nothing is allowed.
			return nil, fmt.Errorf("the policy %s that %s has is gone", a, e.arn())
		}
		all = append(all, policy.Attached{Kind: policy.KindIdentity, Name: a + via, Document: document})
	}
	inline, err := inlinePolicies(ctx, q, e)
	if err != nil {
		return nil, err
	}
	for _, i := range inline {
		document, err := s.documents.identity(i.document)
		if err != nil {
			return nil, fmt.Errorf("compile policy %s of %s: %w", i.name, e.arn(), err)
		}
		all = append(all, policy.Attached{Kind: policy.KindIdentity, Document: document,
			Name: fmt.Sprintf("inline policy %q of %s/%s", i.name, e.kind, e.name)})
	}
	return all, nil
}

// managedDocument compiles the version of a managed policy that is in force, nil
// when there is no such policy.
func (s *Store) managedDocument(ctx context.Context, account, policyARN string) (*policy.Document, error) {
	text, err := s.managedText(ctx, s.reader(), account, policyARN)
	if err != nil || text == "" {
		return nil, err
	}
	document, err := s.documents.identity(text)
	if err != nil {
		return nil, fmt.Errorf("compile policy %s: %w", policyARN, err)
	}
	return document, nil
}

func (s *Store) managedText(ctx context.Context, q meta.Querier, account, policyARN string) (document string, err error) {
	if m, ok := s.managed.Find(policyARN); ok {
		return m.Document, nil
	}
	_, name := splitPolicyARN(policyARN)
	list, err := texts(q.QueryContext(ctx, `SELECT v.document FROM iam_policy p
		JOIN iam_policy_version v ON v.policy_id = p.id AND v.version = p.default_version
		WHERE p.account = $1 AND p.folded = $2`, account, fold(name)))
	if err != nil {
		return "", fmt.Errorf("read policy %s: %w", policyARN, err)
	}
	if len(list) == 0 {
		return "", nil
	}
	return list[0], nil
}
