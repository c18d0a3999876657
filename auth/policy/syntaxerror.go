package policy

// SyntaxError tells why a document is not a policy document. Its text is what
// IAM answers with MalformedPolicyDocument.
type SyntaxError struct {
	// Message is AWS's sentence.
	Message string
	// Detail says what exactly is wrong, for people who can be told more.
	Detail string
	// At is where; zero where no place can be named.
	At Position
}

func (e *SyntaxError) Error() string { return e.Message }
