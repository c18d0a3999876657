package policy

// resourcePattern is one entry of a Resource or NotResource element.
type resourcePattern struct {
	spelled string
	// everything is "*".
	everything bool
	// parts are compared with those of the request's ARN one by one, so that
	// a "*" stays within its component; in the last it spans all there is.
	//
	// Source: IAM User Guide, "IAM JSON policy elements: Resource".
	parts [6]template
	// short is a pattern with fewer components, which is compared as a whole:
	// a "*" at the end of one "can expand to match beyond the colon".
	short   template
	isShort bool
}

// compileResource makes a pattern of an entry whose form has been checked.
func compileResource(s string, d dialect) (resourcePattern, error) {
	p := resourcePattern{spelled: s, everything: s == "*"}
	if p.everything {
		return p, nil
	}
	d.wildcards = true
	parts, n := splitARN(s, d.variables)
	var err error
	if n < len(parts) {
		p.isShort = true
		p.short, err = parseTemplate(s, d)
		return p, err
	}
	for i, part := range parts {
		if p.parts[i], err = parseTemplate(part, d); err != nil {
			return p, err
		}
	}
	return p, nil
}

// matches reports whether the request's resource fits. A pattern with a
// variable that has no value fits nothing.
func (p *resourcePattern) matches(r *request) bool {
	if p.everything {
		return true
	}
	if p.isShort {
		return p.short.like(r, r.resource)
	}
	// The resource itself differs most often, then whose and where it is.
	for _, i := range [...]int{5, 2, 4, 3, 1, 0} {
		if !p.parts[i].like(r, r.arn[i]) {
			return false
		}
	}
	return true
}

// like reports whether s fits the expanded pattern.
func (t *template) like(r *request, s string) bool {
	if t.pieces == nil {
		if t.text == everything {
			return true
		}
		return match(t.text, s)
	}
	pattern, ok := t.expand(r)
	return ok && match(pattern, s)
}

// matchesResource reports whether the statement's resources include the
// request's. Statements without the element are about the resource they are
// attached to.
func (st *Statement) matchesResource(r *request) bool {
	if st.ownResource {
		return true
	}
	for i := range st.resources {
		if st.resources[i].matches(r) {
			return !st.notResource
		}
	}
	return st.notResource
}

// variables appends the policy variables of the pattern.
func (p *resourcePattern) variables(to []string) []string {
	for i := range p.parts {
		to = p.parts[i].names(to)
	}
	return p.short.names(to)
}
