package policy

import (
	"fmt"
	"strings"
)

// parseNamed checks and compiles a document with principals, statement by
// statement.
func parseNamed(raw *rawDocument, use Use) (*Document, error) {
	if raw.version != nil && *raw.version != Version2012 && *raw.version != Version2008 {
		return nil, refuse(Position{1, 1}, sayResourceVersion, "there is no version %q", *raw.version)
	}
	if !raw.hasStatement {
		return nil, refuse(raw.end, fmt.Sprintf(sayPosition, raw.end.Line, raw.end.Column), "there is no Statement")
	}
	if len(raw.statements) == 0 {
		return nil, refuse(raw.end, sayNoStatement, "Statement is an empty list")
	}
	for _, st := range raw.statements {
		if err := namedStatement(st, use); err != nil {
			return nil, err
		}
	}
	if err := sids(raw, sayStatementTwice); err != nil {
		return nil, err
	}
	if err := forms(raw); err != nil {
		return nil, err
	}
	doc, failed := compile(raw, use)
	if failed != nil {
		return nil, refuse(failed.at, fmt.Sprintf(sayPosition, failed.at.Line, failed.at.Column), "%s", failed.detail)
	}
	return doc, nil
}

func namedStatement(st *rawStatement, use Use) error {
	missing := func(element string) error {
		return refuse(st.begin, fmt.Sprintf(sayMissing, element), "a statement has no %s", element)
	}
	switch {
	case st.effect == nil:
		return missing("Effect")
	case *st.effect != "Allow" && *st.effect != "Deny":
		return refuse(st.effectAt, fmt.Sprintf(sayEffect, *st.effect), "there is no effect %q", *st.effect)
	}
	if err := namedPrincipal(st, use); err != nil {
		return err
	}
	actions, _ := either(st.action, st.notAction)
	if len(actions) == 0 {
		return missing("Action")
	}
	if use == Trust {
		for _, a := range actions {
			if len(a) < 4 || !strings.EqualFold(a[:4], "sts:") {
				return refuse(st.actionAt, sayTrustActions, "%q is not an action of STS", a)
			}
		}
	}
	resources, given := either(st.resource, st.notResource)
	switch {
	case use == Trust && st.resource != nil:
		return refuse(st.resourceAt, sayTrustResource, "the resource of a trust policy is its role")
	case use == Trust && st.notResource != nil:
		return refuse(st.resourceAt, sayTrustNotRes, "the resource of a trust policy is its role")
	case use == Resource && len(resources) == 0, given && len(resources) == 0:
		return missing("Resource")
	}
	return nil
}

func namedPrincipal(st *rawStatement, use Use) error {
	p := st.names()
	if p == nil {
		return refuse(st.begin, fmt.Sprintf(sayMissing, "Principal"), "a statement has no Principal")
	}
	if use == Trust {
		switch {
		case st.notPrincipal != nil && *st.effect == "Allow":
			return refuse(st.principalAt, sayAllowNot, "it would allow everyone else")
		case st.notPrincipal != nil:
			return refuse(st.principalAt, sayNotPrincipal, "a trust policy has a NotPrincipal")
		case p.isText:
			return refuse(st.principalAt, sayPrincipalText, `the Principal is "*"; write {"AWS": "*"}`)
		}
	}
	if len(p.names) == 0 {
		return refuse(st.principalAt, sayNoNames, "the Principal names none")
	}
	for _, name := range p.names {
		if _, ok := compilePrincipal(name); !ok {
			err := InvalidPrincipal(name)
			err.At, err.Detail = st.principalAt, fmt.Sprintf("%s has not the form of a principal", name)
			return err
		}
	}
	return nil
}
