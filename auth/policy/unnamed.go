package policy

import (
	"fmt"
	"strings"
)

// parseUnnamed checks and compiles a document without principals. The stages
// and their order are IAM's: it reports the first stage that fails, for
// whichever statement.
func parseUnnamed(raw *rawDocument, use Use) (*Document, error) {
	if err := unnamedSyntax(raw); err != nil {
		return nil, err
	}
	if raw.version == nil || *raw.version != Version2012 {
		return nil, refuse(raw.end, sayVersion, "the version is missing or older")
	}
	for _, st := range raw.statements {
		if st.names() != nil {
			return nil, refuse(st.principalAt, sayPrincipal, "a policy of this kind is about whoever it is attached to")
		}
	}
	if err := unnamedLegacy(raw); err != nil {
		return nil, err
	}
	doc, failed := compile(raw, use)
	if failed != nil && failed.inValue {
		return nil, refuse(failed.at, sayLegacy, "%s", failed.detail)
	}
	if failed != nil {
		return nil, refuse(failed.at, saySyntax, "%s", failed.detail)
	}
	if err := sids(raw, saySidTwice); err != nil {
		return nil, err
	}
	for _, st := range raw.statements {
		if st.sid != nil && !isSid(*st.sid) {
			return nil, refuse(st.begin, saySidForm, "the Sid %q holds other characters", *st.sid)
		}
	}
	for _, st := range raw.statements {
		if list, _ := either(st.action, st.notAction); len(list) == 0 {
			return nil, refuse(st.begin, sayNoActions, "neither Action nor NotAction names any")
		}
	}
	for _, st := range raw.statements {
		if list, _ := either(st.resource, st.notResource); len(list) == 0 {
			return nil, refuse(st.begin, sayNoResources, "neither Resource nor NotResource names any")
		}
	}
	if err := forms(raw); err != nil {
		return nil, err
	}
	return doc, nil
}

// unnamedSyntax checks what the reader leaves unchecked and IAM counts as
// syntax.
func unnamedSyntax(raw *rawDocument) error {
	if raw.version != nil && *raw.version != Version2012 && *raw.version != Version2008 {
		return refuse(Position{1, 1}, saySyntax, "there is no version %q", *raw.version)
	}
	if len(raw.statements) == 0 {
		return refuse(raw.end, saySyntax, "there is no statement")
	}
	for _, st := range raw.statements {
		switch {
		case st.effect == nil:
			return refuse(st.begin, saySyntax, "a statement has no Effect")
		case !strings.EqualFold(*st.effect, "Allow") && !strings.EqualFold(*st.effect, "Deny"):
			return refuse(st.effectAt, saySyntax, "there is no effect %q", *st.effect)
		}
	}
	return nil
}

// unnamedLegacy checks what IAM leaves to an older parser: the case of the
// effect and the number of an ARN's components.
func unnamedLegacy(raw *rawDocument) error {
	for _, st := range raw.statements {
		if *st.effect != "Allow" && *st.effect != "Deny" {
			return refuse(st.effectAt, sayLegacy, "the effect %q is in the wrong case", *st.effect)
		}
		list, _ := either(st.resource, st.notResource)
		for _, s := range list {
			a, n := splitARN(s, true)
			if n < 2 || !isPartition(a[1]) {
				break // its form is refused later, and with it all others
			}
			if n > 2 && a[2] == "" || n > 2 && n < 6 && strings.Contains(s, "::") {
				return refuse(st.resourceAt, sayLegacy, "the resource %q is not an ARN", s)
			}
		}
	}
	return nil
}

// sids checks that no two statements have the same Sid.
func sids(raw *rawDocument, message string) error {
	seen := make(map[string]bool)
	for _, st := range raw.statements {
		if st.sid == nil || *st.sid == "" {
			continue
		}
		if seen[*st.sid] {
			return refuse(st.begin, message, "the Sid %q is given twice", *st.sid)
		}
		seen[*st.sid] = true
	}
	return nil
}

func isSid(s string) bool {
	for _, c := range []byte(s) {
		if !isAlphanumeric(c) {
			return false
		}
	}
	return true
}

// forms checks the forms of resources, then those of actions.
func forms(raw *rawDocument) error {
	for _, st := range raw.statements {
		list, _ := either(st.resource, st.notResource)
		for _, s := range list {
			if message := resourceForm(s); message != "" {
				return refuse(st.resourceAt, message, "the resource %q has not the form of one", s)
			}
		}
	}
	for _, st := range raw.statements {
		list, _ := either(st.action, st.notAction)
		for _, s := range list {
			if message := actionForm(s); message != "" {
				return refuse(st.actionAt, message, "the action %q has not the form of one", s)
			}
		}
	}
	return nil
}

// actionForm is AWS's sentence for an action of the wrong form, or empty.
func actionForm(s string) string {
	if s == "*" {
		return ""
	}
	vendor, name, found := strings.Cut(s, ":")
	switch {
	case !found:
		return sayActionVendor
	case strings.Contains(name, ":"):
		return sayActionColons
	case vendor == "*":
		return ""
	}
	for _, c := range []byte(vendor) {
		if !isAlphanumeric(c) && c != '-' && c != '.' {
			return fmt.Sprintf("Vendor %s is not valid", vendor)
		}
	}
	return ""
}

// resourceForm is AWS's sentence for a resource of the wrong form, or empty.
func resourceForm(s string) string {
	if s == "*" {
		return ""
	}
	a, n := splitARN(s, true)
	switch {
	case n < 2:
		return fmt.Sprintf(`Resource %s must be in ARN format or "*".`, s)
	case !isPartition(a[1]):
		for i := n; i < len(a); i++ {
			a[i] = "*"
		}
		return fmt.Sprintf(`Partition "%s" is not valid for resource "arn:%s:%s:%s:%s:%s".`, a[1], a[1], a[2], a[3], a[4], a[5])
	case a[0] != "arn":
		return fmt.Sprintf(`Resource %s must be in ARN format or "*".`, s)
	case n < 3 || a[2] == "" || strings.ContainsAny(a[2], "*?$"):
		return sayVendor
	}
	if a[2] != "iam" || n < 6 {
		return ""
	}
	if a[3] != "" {
		return fmt.Sprintf("IAM resource %s cannot contain region information.", s)
	}
	kind, _, found := strings.Cut(a[5], "/")
	if strings.HasPrefix(kind, "*") {
		return ""
	}
	_, list, _ := strings.Cut(sayIAMPath, "start with ")
	for path := range strings.SplitSeq(strings.TrimSuffix(list, "."), ", ") {
		if found && path == kind+"/" {
			return ""
		}
	}
	return sayIAMPath
}

// isPartition reports whether s is, or may stand for, a partition of AWS.
func isPartition(s string) bool {
	switch s {
	case "aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b":
		return true
	}
	return strings.ContainsAny(s, "*?")
}
