// Package arn builds the Amazon Resource Names that drydock hands out and takes
// them apart again.
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
package arn

import (
	"fmt"
	"strings"
)

// ARN is arn:aws:service:region:account:resource. Only the aws partition exists
// here.
type ARN struct {
	Service, Region, Account, Resource string
}

func (a ARN) String() string {
	return "arn:aws:" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// Parse takes an ARN apart. The resource keeps its own colons and slashes.
func Parse(s string) (ARN, error) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[1] != "aws" || p[2] == "" || p[5] == "" {
		return ARN{}, fmt.Errorf("%q is not an ARN of the form arn:aws:service:region:account:resource", s)
	}
	return ARN{Service: p[2], Region: p[3], Account: p[4], Resource: p[5]}, nil
}

// Service returns the service that an ARN names, empty when s is not an ARN.
func Service(s string) string {
	rest, ok := strings.CutPrefix(s, "arn:aws:")
	service, _, more := strings.Cut(rest, ":")
	if !ok || !more {
		return ""
	}
	return service
}

// Repository is the ARN of an ECR repository.
func Repository(account, region, name string) string {
	return ARN{"ecr", region, account, "repository/" + name}.String()
}
