// Package managed holds the policies that Amazon keeps for everybody: those of
// them that concern the services that exist here, under their own ARNs
// (arn:aws:iam::aws:policy/…), so that a role written for AWS finds them.
//
// They are constants of the program, one file of policies/ each. Names, paths,
// ids, dates, versions and permissions are AWS's, with these exceptions:
//   - ReadOnlyAccess and ViewOnlyAccess name some thousand actions of services
//     that do not exist here. Only the actions of services that do are kept, and
//     both are at version v1.
//   - The ids of AmazonEC2ContainerRegistryPullOnly and of the three policies for
//     ECR Public are not published; those given begin with ANPADRYDOCK.
//
// Source: AWS Managed Policy Reference Guide,
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/
package managed

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

//go:embed policies/*.json
var policies embed.FS

// Prefix is what the ARN of every policy of Amazon's begins with.
const Prefix = "arn:aws:iam::aws:policy/"

// Policy is a policy that Amazon keeps.
type Policy struct {
	ARN, Name, ID string
	// Path begins and ends with a slash, e.g. /service-role/.
	Path        string
	Description string
	// Version is the only version there is here, e.g. v3.
	Version string
	// Created is the birth of the policy, Updated that of the version.
	Created, Updated time.Time
	// Document is JSON, indented as AWS shows it.
	Document string
}

// Set is all of the policies. It does not change and may be shared.
type Set struct {
	byARN  map[string]Policy
	sorted []string
}

// Load reads the policies. Errors: a file of the program is not as it should be.
func Load() (*Set, error) {
	entries, err := policies.ReadDir("policies")
	if err != nil {
		return nil, fmt.Errorf("list the AWS managed policies: %w", err)
	}
	s := &Set{byARN: make(map[string]Policy, len(entries))}
	for _, e := range entries {
		p, err := read(e.Name())
		if err != nil {
			return nil, fmt.Errorf("AWS managed policy %s: %w", e.Name(), err)
		}
		s.byARN[p.ARN] = p
		s.sorted = append(s.sorted, p.ARN)
	}
	slices.Sort(s.sorted)
	return s, nil
}

func read(file string) (Policy, error) {
	b, err := policies.ReadFile(path.Join("policies", file))
	if err != nil {
		return Policy{}, err
	}
	var raw struct {
		PolicyID         string `json:"PolicyId"`
		Path             string
		Description      string
		DefaultVersionID string `json:"DefaultVersionId"`
		CreateDate       time.Time
		UpdateDate       time.Time
		Document         json.RawMessage
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return Policy{}, err
	}
	var document bytes.Buffer
	if err := json.Indent(&document, raw.Document, "", "    "); err != nil {
		return Policy{}, err
	}
	name := strings.TrimSuffix(file, ".json")
	return Policy{
		ARN: Prefix + strings.TrimPrefix(raw.Path, "/") + name, Name: name, ID: raw.PolicyID, Path: raw.Path,
		Description: raw.Description, Version: raw.DefaultVersionID,
		Created: raw.CreateDate, Updated: raw.UpdateDate, Document: document.String(),
	}, nil
}

// All returns the policies in the order of their ARNs.
func (s *Set) All() []Policy {
	all := make([]Policy, 0, len(s.sorted))
	for _, arn := range s.sorted {
		all = append(all, s.byARN[arn])
	}
	return all
}

// Find returns the policy of an ARN.
func (s *Set) Find(arn string) (Policy, bool) {
	p, ok := s.byARN[arn]
	return p, ok
}
