package policy

// body is what a statement tests, compiled.
type body struct {
}

// index finds the statements of a document that may match an action.
type index struct {
}
