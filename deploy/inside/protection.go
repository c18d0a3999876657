package inside

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"drydock/deploy/role"
)

// protectionShown is the protection of a task, or why it is not told or changed.
//
// Source: Amazon ECS Developer Guide, "Amazon ECS task scale-in protection endpoint".
type protectionShown struct {
	Protection *protected         `json:"protection,omitempty"`
	Failure    *protectionFailure `json:"failure,omitempty"`
	Error      *protectionError   `json:"error,omitempty"`
}

type protected struct {
	ExpirationDate    *string `json:",omitempty"`
	ProtectionEnabled bool
	TaskARN           string `json:"TaskArn"`
}

type protectionFailure struct {
	ARN            string `json:"Arn"`
	Reason, Detail string
}

type protectionError struct {
	ARN           string `json:"Arn,omitempty"`
	Code, Message string
}

// wanted is the body of a PUT.
type wanted struct {
	ProtectionEnabled *bool
	ExpiresInMinutes  *int32
}

// mostWanted is the most bytes of such a body.
const mostWanted = 4 << 10

// protection tells or changes whether the task that asks is protected from scaling in.
// It is the task's role that asks, of the same API as everybody.
func (s *Server) protection(w http.ResponseWriter, r *http.Request) {
	c, err := s.caller(r)
	if err != nil {
		status, code := http.StatusInternalServerError, "ServerException"
		if errors.Is(err, errUnknown) {
			status, code = http.StatusNotFound, "ResourceNotFoundException"
		}
		write(w, status, protectionShown{Error: &protectionError{Code: code, Message: err.Error()}})
		return
	}
	refused := func(status int, code, message string) {
		write(w, status, protectionShown{Error: &protectionError{c.state.ARN, code, message}})
	}
	var want wanted
	if r.Method == http.MethodPut {
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostWanted))
		d.DisallowUnknownFields()
		if err := d.Decode(&want); err != nil {
			refused(http.StatusBadRequest, "InvalidParameterException", "UpdateTaskProtection: failed to decode request")
			return
		}
		if want.ProtectionEnabled == nil {
			refused(http.StatusBadRequest, "InvalidParameterException", "Invalid request: does not contain 'ProtectionEnabled' field")
			return
		}
	}
	client, err := s.client(r, c)
	var no *role.RefusedError
	switch {
	case errors.Is(err, errNoRole), errors.Is(err, role.ErrEnded), errors.As(err, &no):
		refused(http.StatusForbidden, "AccessDeniedException", err.Error())
		return
	case err != nil:
		refused(http.StatusInternalServerError, "ServerException", "the task's role could not be taken on")
		return
	}
	list, failures, err := askProtection(r.Context(), client, c, want)
	var api smithy.APIError
	switch {
	case errors.As(err, &api):
		refused(http.StatusBadRequest, api.ErrorCode(), api.ErrorMessage())
	case err != nil:
		refused(http.StatusInternalServerError, "ServerException", "the protection of the task is not known")
	case len(failures) > 0:
		f := failures[0]
		write(w, http.StatusOK, protectionShown{Failure: &protectionFailure{aws.ToString(f.Arn), aws.ToString(f.Reason), aws.ToString(f.Detail)}})
	case len(list) == 0:
		refused(http.StatusInternalServerError, "ServerException", "the protection of the task is not known")
	default:
		v := &protected{ProtectionEnabled: list[0].ProtectionEnabled, TaskARN: aws.ToString(list[0].TaskArn)}
		if at := list[0].ExpirationDate; at != nil {
			v.ExpirationDate = aws.String(at.UTC().Format(time.RFC3339))
		}
		write(w, http.StatusOK, protectionShown{Protection: v})
	}
}

func askProtection(ctx context.Context, client *ecs.Client, c *caller, want wanted) ([]types.ProtectedTask, []types.Failure, error) {
	cluster, tasks := &c.task.Cluster, []string{c.state.ARN}
	if want.ProtectionEnabled == nil {
		out, err := client.GetTaskProtection(ctx, &ecs.GetTaskProtectionInput{Cluster: cluster, Tasks: tasks})
		if err != nil {
			return nil, nil, err
		}
		return out.ProtectedTasks, out.Failures, nil
	}
	out, err := client.UpdateTaskProtection(ctx, &ecs.UpdateTaskProtectionInput{
		Cluster: cluster, Tasks: tasks, ProtectionEnabled: *want.ProtectionEnabled, ExpiresInMinutes: want.ExpiresInMinutes,
	})
	if err != nil {
		return nil, nil, err
	}
	return out.ProtectedTasks, out.Failures, nil
}

var errNoRole = errors.New("the task has no role: set taskRoleArn to one that may do this")

// client asks the ECS API as the task's role.
func (s *Server) client(r *http.Request, c *caller) (*ecs.Client, error) {
	t := &c.task.Detail.Spec
	if t.RoleARN == "" {
		return nil, errNoRole
	}
	as, err := s.o.Roles.Take(r.Context(), t, t.RoleARN, role.ForTasks)
	if err != nil {
		return nil, err
	}
	return ecs.New(ecs.Options{
		Region: t.Region, RetryMaxAttempts: 1, HTTPClient: within{s.o.API, r.RemoteAddr},
		Credentials: credentials.NewStaticCredentialsProvider(as.AccessKeyID, as.SecretAccessKey, as.SessionToken),
	}), nil
}

// within sends requests to a handler of this process, from where they came.
type within struct {
	to   http.Handler
	from string
}

// Do implements ecs.HTTPClient.
func (d within) Do(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.RemoteAddr, r.RequestURI = d.from, r.URL.RequestURI()
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := &recorded{header: http.Header{}, status: http.StatusOK}
	d.to.ServeHTTP(w, r)
	return &http.Response{
		StatusCode: w.status, Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// recorded is the answer of a handler.
type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorded) Header() http.Header         { return w.header }
func (w *recorded) WriteHeader(status int)      { w.status = status }
func (w *recorded) Write(p []byte) (int, error) { return w.body.Write(p) }
