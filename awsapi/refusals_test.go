package awsapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"

	"drydock/auth"
)

func TestRefusalsAreThoseOfAWS(t *testing.T) {
	const form = "Action=GetAccessKeyInfo&Version=2011-06-15&AccessKeyId=AKIA1234567890123456"
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	fails := func(err error) func(*house) {
		return func(h *house) { h.behave = func(context.Context) error { return err } }
	}
	denied := func(h *house) {
		h.deny = &auth.DeniedError{Request: auth.Request{Principal: auth.Principal{ARN: devARN}, Action: "ecr:DescribeRepositories", Resource: "*"},
			Because: "because no identity-based policy allows the ecr:DescribeRepositories action"}
	}
	for name, c := range map[string]struct {
		send   call
		set    func(*house)
		status int
		code   string
		text   string
	}{
		"not signed":       {send: call{unsigned: true}, status: 400, code: "MissingAuthenticationTokenException", text: "Missing Authentication Token"},
		"half signed":      {send: call{after: header("Authorization", "AWS4-HMAC-SHA256 x=y")}, status: 400, code: "IncompleteSignatureException", text: "requires 'Credential' parameter."},
		"an unknown key":   {send: call{id: "AKIANOBODY"}, status: 400, code: "UnrecognizedClientException", text: "The security token included in the request is invalid."},
		"a wrong secret":   {send: call{secret: "guess"}, status: 400, code: "InvalidSignatureException", text: "The request signature we calculated does not match"},
		"a tampered body":  {send: call{body: "{}", after: func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("[]")) }}, status: 400, code: "InvalidSignatureException", text: "does not match"},
		"an old signature": {send: call{at: now.Add(-time.Hour)}, status: 400, code: "InvalidSignatureException", text: "Signature expired: 20261123T194500Z is now earlier than 20261123T204000Z (20261123T204500Z - 5 min.)"},
		"ended credentials": {send: call{id: "ASIAENDED", token: "token"}, status: 400, code: "ExpiredTokenException",
			text: "The security token included in the request is expired"},
		"another service":              {send: call{service: "ecs"}, status: 400, code: "InvalidSignatureException", text: "Credential should be scoped to correct service: 'ecr'. "},
		"another region than the host": {send: call{region: "us-east-1"}, status: 400, code: "InvalidSignatureException", text: "Credential should be scoped to a valid region, not 'us-east-1'. "},
		"a region that is none":        {send: call{region: "nowhere", host: "localhost:5000"}, status: 400, code: "InvalidSignatureException", text: "valid region, not 'nowhere'"},
		"an operation not built":       {send: call{target: "StartImageScan"}, status: 400, code: "UnknownOperationException", text: "drydock does not provide the operation StartImageScan of ecr."},
		"an operation that never was":  {send: call{target: "Explode"}, status: 400, code: "UnknownOperationException", text: "There is no operation Explode of ecr that drydock knows."},
		"a service that is not there":  {send: call{after: header("X-Amz-Target", "DynamoDB_20120810.GetItem")}, status: 400, code: "UnknownOperationException", text: "drydock knows no service with an operation GetItem."},
		"another content type":         {send: call{after: header("Content-Type", "text/plain")}, status: 400, code: "SerializationException", text: "application/x-amz-json-1.1"},
		"another method":               {send: call{after: func(r *http.Request) { r.Method = "GET" }}, status: 400, code: "SerializationException", text: "is a POST"},
		"malformed JSON":               {send: call{body: `{"repositoryNames":`}, status: 400, code: "SerializationException", text: "Unexpected end of the request"},
		"a number for a string":        {send: call{body: `{"registryId":12}`}, status: 400, code: "SerializationException", text: "NUMBER_VALUE cannot be converted to String (at 'registryId')"},
		"a list of the wrong things":   {send: call{body: `{"repositoryNames":["a",{}]}`}, status: 400, code: "SerializationException", text: "Start of structure or map found where not expected (at 'repositoryNames.2.member')"},
		"an invalid parameter":         {send: call{body: `{"repositoryNames":["a"]}`}, status: 400, code: "InvalidParameterException", text: "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must have length greater than or equal to 2'"},
		"a denial": {send: call{body: `{"repositoryNames":["demo"]}`}, set: denied, status: 400, code: "AccessDeniedException",
			text: "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: ecr:DescribeRepositories on resource: * because no identity-based policy allows the ecr:DescribeRepositories action"},
		"no decision": {send: call{body: `{"repositoryNames":["demo"]}`}, set: func(h *house) { h.deny = errors.New("no policies") }, status: 500, code: "ServerException", text: "Its log says why"},
		"an exception": {set: fails(fmt.Errorf("finding it: %w", &types.RepositoryNotFoundException{Message: aws.String("The repository with name 'demo' does not exist")})),
			status: 400, code: "RepositoryNotFoundException", text: "The repository with name 'demo' does not exist"},
		"an exception of another API": {set: fails(&smithy.GenericAPIError{Code: "NoSuchBucket", Message: "secret"}), status: 500, code: "ServerException", text: "Its log says why"},
		"a fault of the service":      {set: fails(&types.ServerException{Message: aws.String("later")}), status: 500, code: "ServerException", text: "later"},
		"an error":                    {set: fails(errors.New("disk full")), status: 500, code: "ServerException", text: "Its log says why"},
		"a panic":                     {set: func(h *house) { h.behave = func(context.Context) error { panic("oh") } }, status: 500, code: "ServerException", text: "Its log says why"},

		"a query not signed":        {send: call{query: true, body: form, unsigned: true}, status: 403, code: "MissingAuthenticationToken", text: "Request is missing Authentication Token"},
		"a query half signed":       {send: call{query: true, body: form, after: header("Authorization", "AWS4-HMAC-SHA256 x=y")}, status: 400, code: "IncompleteSignature", text: "&#39;Credential&#39;"},
		"a query by an unknown key": {send: call{query: true, body: form, id: "AKIANOBODY"}, status: 403, code: "InvalidClientTokenId", text: "The security token included in the request is invalid."},
		"a query by a wrong secret": {send: call{query: true, body: form, secret: "guess"}, status: 403, code: "SignatureDoesNotMatch", text: "does not match"},
		"a query by ended credentials": {send: call{query: true, body: form, id: "ASIAENDED", token: "token"}, status: 403, code: "ExpiredToken",
			text: "The security token included in the request is expired"},
		"a query signed for another service": {send: call{query: true, body: form, service: "ecr"}, status: 403, code: "SignatureDoesNotMatch", text: "Credential should be scoped to correct service: &#39;sts&#39;. "},
		"a query for an operation not built": {send: call{query: true, body: "Action=AssumeRole&Version=2011-06-15"}, status: 400, code: "InvalidAction", text: "drydock does not provide the operation AssumeRole of sts."},
		"a query without an operation":       {send: call{query: true, body: "Version=2011-06-15"}, status: 400, code: "InvalidAction", text: "names no operation"},
		"a query for another version":        {send: call{query: true, body: "Action=GetAccessKeyInfo&Version=1999-01-01"}, status: 400, code: "InvalidAction", text: "drydock knows no service with an operation GetAccessKeyInfo."},
		"a query that is none":               {send: call{query: true, body: "Action=%zz"}, status: 400, code: "MalformedInput", text: "not well-formed"},
		"a query of the wrong form":          {send: call{query: true, body: form + "&AccessKeyId.x=1"}, status: 400, code: "MalformedInput", text: "(at &#39;AccessKeyId&#39;)"},
		"a query with an invalid parameter": {send: call{query: true, body: "Action=GetAccessKeyInfo&Version=2011-06-15"}, status: 400, code: "ValidationError",
			text: "1 validation error detected: Value null at &#39;accessKeyId&#39; failed to satisfy constraint: Member must not be null"},
		"a query with a parameter that the operation finds invalid": {send: call{query: true, body: form}, set: fails(fmt.Errorf("looking at it: %w", &smithy.GenericAPIError{Code: "ValidationError", Message: "No such thing"})),
			status: 400, code: "ValidationError", text: "<Message>No such thing</Message>"},
		"a query denied":      {send: call{query: true, body: form}, set: denied, status: 403, code: "AccessDenied", text: "is not authorized to perform"},
		"a query that failed": {send: call{query: true, body: form}, set: fails(errors.New("disk full")), status: 500, code: "InternalFailure", text: "<Type>Receiver</Type>"},
		"neither protocol": {send: call{query: true, body: form, after: header("Content-Type", "application/json")}, status: 400, code: "MalformedInput",
			text: "with X-Amz-Target"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			if c.set != nil {
				c.set(h)
			}
			w, note := h.do(c.send.request(t))
			code := `"__type":"` + c.code + `"`
			if c.send.query {
				code = "<Code>" + c.code + "</Code>"
			}
			if w.Code != c.status || !strings.Contains(w.Body.String(), code) || !strings.Contains(w.Body.String(), c.text) {
				t.Errorf("got %d %s\nwant %d %s %s", w.Code, w.Body, c.status, code, c.text)
			}
			if got := w.Header().Get("X-Amzn-ErrorType"); !c.send.query && got != c.code {
				t.Errorf("X-Amzn-ErrorType is %q", got)
			}
			if w.Header().Get("X-Amzn-RequestId") != "the-id" || !strings.HasPrefix(note.Error, c.code) || note.Status != c.status {
				t.Errorf("id %q, noted %+v", w.Header().Get("X-Amzn-RequestId"), note)
			}
			logged := h.log.String()
			switch faulty := c.status == 500; {
			case faulty && !(strings.Contains(logged, "request_id=the-id") && strings.Contains(logged, "principal="+devARN)):
				t.Errorf("the log does not say what failed: %q", logged)
			case !faulty && logged != "":
				t.Errorf("a refusal was logged as a failure: %s", logged)
			case name == "a panic" && !strings.Contains(logged, "server_test.go"):
				t.Errorf("the log lacks the stack: %s", logged)
			}
			if strings.Contains(w.Body.String(), "disk") || strings.Contains(logged+w.Body.String(), devSecret) {
				t.Errorf("told too much: %s\n%s", w.Body, logged)
			}
		})
	}
}

// never is a body that must not be read.
type never struct{ t *testing.T }

func (n never) Read([]byte) (int, error) {
	n.t.Error("the body was read")
	return 0, io.EOF
}

func TestAStrangersBodyIsNotRead(t *testing.T) {
	for name, c := range map[string]call{
		"not signed":                {unsigned: true},
		"an unknown key":            {id: "AKIANOBODY"},
		"an old signature":          {at: now.Add(-time.Hour)},
		"for another region":        {region: "us-east-1"},
		"an unknown operation":      {target: "Explode"},
		"a query not signed":        {query: true, unsigned: true},
		"a query by an unknown key": {query: true, id: "AKIANOBODY"},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.request(t)
			r.Body = io.NopCloser(never{t})
			r.ContentLength = 1000
			if w, _ := newHouse(t).do(r); w.Code == 200 {
				t.Errorf("answered %d", w.Code)
			}
		})
	}
}
