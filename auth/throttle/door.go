package throttle

// Door is a way in to which credentials come. Failures at one count at all.
type Door struct {
	*Throttle
	name string
}

// Door returns a way in by its name, which its refusals are counted under.
func (t *Throttle) Door(name string) *Door { return &Door{t, name} }

// Refused notes that a request was turned away without a look at its credentials.
func (d *Door) Refused() { d.refused(d.name) }
