package policy

import "fmt"

// SyntaxError tells why a text is not a policy document. Its text is the
// sentence that IAM answers with MalformedPolicyDocument; ECR has one of its
// own for repository policies and leaves this one out.
type SyntaxError struct {
	// Message is AWS's sentence.
	Message string
	// Detail says what exactly is wrong, for people who can be told more.
	Detail string
	// At is where; zero where no place can be named.
	At Position
}

func (e *SyntaxError) Error() string { return e.Message }

// The sentences for documents without principals: managed, inline and session
// policies, boundaries, service control policies.
const (
	saySyntax       = "Syntax errors in policy."
	sayVersion      = "Policy document must be version 2012-10-17 or greater."
	sayPrincipal    = "Policy document should not specify a principal."
	sayLegacy       = "The policy failed legacy parsing"
	saySidForm      = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
	saySidTwice     = "Statement IDs (SID) in a single policy must be unique."
	sayNoActions    = "Policy statement must contain actions."
	sayNoResources  = "Policy statement must contain resources."
	sayVendor       = "Resource vendor must be fully qualified and cannot contain regexes."
	sayActionVendor = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
	sayActionColons = "Actions/Condition can contain only one colon."
	sayIAMPath      = `IAM resource path must either be "*" or start with user/, federated-user/, role/, group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/.`
)

// The sentences for documents with principals: trust policies of roles and the
// policies of other resources.
const (
	sayJSON            = "This policy contains invalid Json"
	sayNotAPolicy      = "This text appears not to be a policy"
	sayPosition        = "Syntax error at position (%d,%d)"
	sayResourceVersion = "The policy must contain a valid version string"
	sayNoStatement     = "Could not parse the policy: Statement is empty!"
	sayStatementTwice  = "The Statement Ids in the policy are not unique"
	sayMissing         = "Missing required field %s"
	sayNoNames         = "Missing required field Principal cannot be empty!"
	sayEffect          = "Invalid effect: %s"
	sayPrincipalText   = "Principal must be a JSON object."
	sayAllowNot        = "Allow with NotPrincipal is not allowed."
	sayNotPrincipal    = "AssumeRole policy must not contain NotPrincipal field."
	sayTrustActions    = "AssumeRole policy may only specify STS AssumeRole actions."
	sayTrustResource   = "Has prohibited field Resource"
	sayTrustNotRes     = "AssumeRole policy must not contain resources."
)

// refuse makes a SyntaxError.
func refuse(at Position, message, detail string, args ...any) *SyntaxError {
	return &SyntaxError{Message: message, Detail: fmt.Sprintf(detail, args...), At: at}
}
