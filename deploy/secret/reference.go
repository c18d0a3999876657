package secret

import (
	"fmt"
	"regexp"
	"strings"

	"drydock/internal/arn"
)

// Kind is what a secret is asked for as.
type Kind string

// The values of Kind. Parameters and secrets are one thing here, for what is put
// under a name can be asked for as either.
const (
	// Value is a parameter of Systems Manager and a secret of Secrets Manager.
	Value Kind = "value"
	// File is a file of environment variables, in a bucket.
	File Kind = "file"
)

// Key is what a secret is found by.
type Key struct {
	Account, Region string
	Kind            Kind
	// Name is without a slash at its beginning, which the ARN of a parameter does
	// not tell; that of a file is BUCKET/KEY.
	Name string
}

// Service is whose ARN or name asks for a secret.
type Service string

// The values of Service.
const (
	SystemsManager Service = "ssm"
	SecretsManager Service = "secretsmanager"
	Files          Service = "s3"
)

// Reference is what a task definition asks for a secret by.
type Reference struct {
	Key
	Service Service
	// Asked is the reference as it was given, without the parts below.
	Asked string
	// Suffix is the end of a Secrets Manager's ARN that tells secrets of the same
	// name apart, where there is one.
	Suffix string
	// JSONKey, Stage and Version choose a part of a secret of Secrets Manager.
	JSONKey, Stage, Version string
}

// fileName is the form of BUCKET/KEY, and valueName that of other names.
// Source: the AWS documentation of PutParameter, CreateSecret and bucket names.
var (
	valueName = regexp.MustCompile(`^[a-zA-Z0-9/_+=.@-]{1,512}$`)
	fileName  = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\x00-\x1f]+$`)
)

// longestName is how many bytes the name of a file has at most, its bucket's included.
const longestName = 1024

// arnOfFile begins the ARN of a file, which has no account and no region.
const arnOfFile = "arn:aws:s3:::"

// ParseKey reads a name as people give it: that of a value, or s3://BUCKET/KEY or the
// ARN of a file.
func ParseKey(account, region, name string) (Key, error) {
	k := Key{Account: account, Region: region, Kind: Value, Name: strings.TrimPrefix(name, "/")}
	for _, prefix := range []string{"s3://", arnOfFile} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			k.Kind, k.Name = File, rest
		}
	}
	switch {
	case k.Kind == File && (!fileName.MatchString(k.Name) || len(k.Name) > longestName):
		return k, fmt.Errorf("%q is not the name of a file, which is s3://BUCKET/KEY", name)
	case k.Kind == Value && !valueName.MatchString(k.Name):
		return k, fmt.Errorf("%q is not the name of a secret: it has up to 512 letters, digits and /_+=.@-, and that of a file begins with s3://", name)
	}
	return k, nil
}

// ParseReference reads the valueFrom of a secret, or the value of an environment
// file, in a task definition of an account and a region: the ARN or the name of a
// parameter, the ARN of a secret with its optional parts, or that of a file.
func ParseReference(account, region, given string) (Reference, error) {
	if !strings.HasPrefix(given, "arn:") {
		k, err := ParseKey(account, region, given)
		if k.Kind == File {
			err = fmt.Errorf("%q is not an ARN", given)
		}
		return Reference{Key: k, Service: SystemsManager, Asked: given}, err
	}
	a, err := arn.Parse(given)
	if err != nil {
		return Reference{}, err
	}
	r := Reference{Service: Service(a.Service), Asked: given}
	switch r.Service {
	case Files:
		r.Key, err = ParseKey(account, region, given)
		return r, err
	case SystemsManager:
		name, ok := strings.CutPrefix(a.Resource, "parameter/")
		if !ok {
			return r, fmt.Errorf("%q is not the ARN of a parameter", given)
		}
		r.Key, err = ParseKey(a.Account, a.Region, name)
		return r, err
	case SecretsManager:
		return secretReference(r, a, given)
	}
	return r, fmt.Errorf("%q is the ARN of neither a parameter nor a secret", given)
}

func secretReference(r Reference, a arn.ARN, given string) (Reference, error) {
	p := strings.Split(a.Resource, ":")
	if len(p) < 2 || len(p) > 5 || p[0] != "secret" {
		return r, fmt.Errorf("%q is not the ARN of a secret", given)
	}
	p = append(p, "", "", "")
	r.JSONKey, r.Stage, r.Version = p[2], p[3], p[4]
	a.Resource = "secret:" + p[1]
	r.Asked = a.String()
	var err error
	r.Key, err = ParseKey(a.Account, a.Region, p[1])
	return r, err
}

// suffixSize is the length of the end of a secret's ARN, without its hyphen.
const suffixSize = 6

// cutSuffix takes the end of a Secrets Manager's ARN from a name that has one.
func cutSuffix(name string) (before, suffix string, ok bool) {
	i := len(name) - suffixSize - 1
	if i < 1 || name[i] != '-' {
		return name, "", false
	}
	return name[:i], name[i+1:], true
}
