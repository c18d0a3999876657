package inside

import (
	"errors"
	"net/http"
	"time"

	"drydock/auth/identity"
	"drydock/deploy/role"
)

// credentials answers with those of the task's role, to the task; and with those of
// its execution role to this machine's log driver.
//
// Source: Amazon ECS Developer Guide, "Task IAM role".
func (s *Server) credentials(w http.ResponseWriter, r *http.Request) {
	v, err := s.credentialsOf(r)
	var refused *role.RefusedError
	switch {
	case errors.Is(err, errUnknown), errors.Is(err, role.ErrEnded):
		write(w, http.StatusBadRequest, failure{"InvalidIdInRequest", "CredentialsV2Request: Credentials not found"})
	case errors.As(err, &refused):
		write(w, http.StatusBadRequest, failure{"AccessDenied", refused.Error()})
	case err != nil:
		s.o.Log.WarnContext(r.Context(), "a task got no credentials", "error", err)
		write(w, http.StatusInternalServerError, failure{"InternalServerError", "Internal server error"})
	default:
		write(w, http.StatusOK, v)
	}
}

// failure is how this endpoint tells what went wrong.
type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// shown are credentials as AWS's programs read them.
type shown struct {
	RoleARN         string `json:"RoleArn"`
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	Expiration      string
}

func (s *Server) credentialsOf(r *http.Request) (*shown, error) {
	id := r.PathValue("id")
	execution := false
	c, err := s.find(r, func(i *identified) (string, bool) {
		execution = id == i.executionRole
		return "", execution || id == i.role
	})
	if err != nil {
		return nil, err
	}
	t := &c.task.Detail.Spec
	if execution {
		if t.ExecutionRoleARN == "" || !isLocal(sourceOf(r)) {
			return nil, errUnknown
		}
		made, err := s.o.Roles.Take(r.Context(), t, t.ExecutionRoleARN, role.ForTasks)
		return show(t.ExecutionRoleARN, made), err
	}
	if t.RoleARN == "" {
		return nil, errUnknown
	}
	if err := s.from(r, c); err != nil {
		return nil, err
	}
	made, err := s.o.Roles.Take(r.Context(), t, t.RoleARN, role.ForTasks)
	return show(t.RoleARN, made), err
}

func show(roleARN string, c identity.Credentials) *shown {
	return &shown{roleARN, c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.Expires.UTC().Format(time.RFC3339)}
}
