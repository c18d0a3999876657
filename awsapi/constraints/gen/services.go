package main

// service is a service to make a table for: what its model says, and what is
// known of it beside the model.
type service struct {
	// dir is the service's folder in botocore, and the table's name.
	dir string
	// code is the error that the service answers an invalid parameter with.
	code string
	// style is how it words one; package constraints knows the styles.
	style string
	// region is that of a service which is the same in all regions.
	region string
	// patterns replaces what the model says of a shape's pattern.
	patterns map[string]pattern
}

// pattern is a change to a shape's pattern.
type pattern struct {
	// text replaces the model's pattern, where drydock's rule is another one.
	text string
	// compiled is the same rule for Go's regexp, where it cannot read the
	// model's. "skip" stands for a rule that is not checked.
	compiled string
	reason   string
}

const skip = "skip"

// accountIDs are the spellings of AWS's account ids in patterns, all of which
// become accountID.
var accountIDs = []string{`[0-9]{12}`, `\d{12}`, `[\d]{12}`}

// accountID is the form of drydock's account ids: AWS's have twelve digits, and
// ten are accepted so that the short ones of examples work as they are written.
const accountID = `[0-9]{10,12}`

var services = []service{
	{
		dir: "ecr", code: "InvalidParameterException", style: "ecr",
		patterns: map[string]pattern{
			"RepositoryName": {
				text:   `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`,
				reason: "the model's rule, in the spelling in which ECR's refusals print it: the slash is not escaped",
			},
		},
	},
	{
		dir: "iam", code: "ValidationError", style: "iam", region: "us-east-1",
		patterns: map[string]pattern{
			"accountAliasType": {
				compiled: `[a-z0-9](-[a-z0-9]|[a-z0-9]-?[a-z0-9])(-?[a-z0-9])*`,
				reason: "Go knows no lookahead: no two dashes in a row and none at the ends, " +
					"at least three characters; that there are at most 63 is the shape's own bound",
			},
		},
	},
	{
		dir: "sts", code: "ValidationError", style: "coral",
		patterns: map[string]pattern{
			"arnType": {
				compiled: `[\x{9}\x{A}\x{D}\x{20}-\x{7E}\x{85}\x{A0}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}]+`,
				reason:   `Go writes \u0009 as \x{9}; by \u10000 the model means a code point of five digits`,
			},
		},
	},
	{dir: "ecs", code: "InvalidParameterException", style: "coral"},
	{dir: "logs", code: "InvalidParameterException", style: "coral"},
}
