package iamapi

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"drydock/auth/policy"
	"drydock/internal/arn"
)

// result simulates one action, on all resources when none are named. Of several
// it tells the hardest decision, and that of each below it.
func (sim *simulation) result(action string, resources []string) types.EvaluationResult {
	if len(resources) == 0 || slices.Equal(resources, []string{"*"}) {
		one := sim.evaluate(action, "*")
		one.EvalDecisionDetails = nil
		return one
	}
	out := types.EvaluationResult{
		EvalActionName: &action, EvalResourceName: to("*"), EvalDecision: types.PolicyEvaluationDecisionTypeAllowed,
		EvalDecisionDetails: map[string]types.PolicyEvaluationDecisionType{}, MatchedStatements: []types.Statement{}, MissingContextValues: []string{},
	}
	if len(resources) == 1 {
		out.EvalResourceName = &resources[0]
	}
	for _, r := range resources {
		one := sim.evaluate(action, r)
		if hardness(one.EvalDecision) > hardness(out.EvalDecision) {
			out.EvalDecision = one.EvalDecision
		}
		out.PermissionsBoundaryDecisionDetail = harderBoundary(out.PermissionsBoundaryDecisionDetail, one.PermissionsBoundaryDecisionDetail)
		if o := one.OrganizationsDecisionDetail; o != nil && (out.OrganizationsDecisionDetail == nil || !o.AllowedByOrganizations) {
			out.OrganizationsDecisionDetail = o
		}
		for _, m := range one.MissingContextValues {
			if !slices.Contains(out.MissingContextValues, m) {
				out.MissingContextValues = append(out.MissingContextValues, m)
			}
		}
		out.ResourceSpecificResults = append(out.ResourceSpecificResults, types.ResourceSpecificResult{
			EvalResourceName: &r, EvalResourceDecision: one.EvalDecision, EvalDecisionDetails: one.EvalDecisionDetails,
			MatchedStatements: one.MatchedStatements, MissingContextValues: one.MissingContextValues,
			PermissionsBoundaryDecisionDetail: one.PermissionsBoundaryDecisionDetail,
		})
	}
	// Above stand the statements that led to the decision above.
	for _, one := range out.ResourceSpecificResults {
		if one.EvalResourceDecision != out.EvalDecision {
			continue
		}
		for _, m := range one.MatchedStatements {
			if !slices.ContainsFunc(out.MatchedStatements, func(have types.Statement) bool { return sameStatement(have, m) }) {
				out.MatchedStatements = append(out.MatchedStatements, m)
			}
		}
	}
	return out
}

// evaluate asks the policy engine.
func (sim *simulation) evaluate(action, resource string) types.EvaluationResult {
	q := &policy.Query{
		Subject: &sim.subject, Action: action, Resource: resource, ResourceAccount: sim.owner,
		ResourcePolicy: sim.resource, Guardrails: sim.guardrails, Keys: sim.keys,
	}
	if a, err := arn.Parse(resource); err == nil && a.Account != "" {
		q.ResourceAccount = a.Account
	}
	x := policy.Explain(q)
	out := types.EvaluationResult{
		EvalActionName: &action, EvalResourceName: &resource, EvalDecision: decisionOf(x.Decision),
		EvalDecisionDetails: map[string]types.PolicyEvaluationDecisionType{},
		MatchedStatements:   sim.matched(x), MissingContextValues: append([]string{}, x.Missing...),
	}
	for _, l := range x.Layers {
		allowed := l.Allowed && !l.Denied
		switch l.Kind {
		case policy.KindBoundary:
			out.PermissionsBoundaryDecisionDetail = &types.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: allowed}
		case policy.KindGuardrail:
			out.OrganizationsDecisionDetail = &types.OrganizationsDecisionDetail{AllowedByOrganizations: allowed}
		}
	}
	return out
}

func decisionOf(d policy.Decision) types.PolicyEvaluationDecisionType {
	switch {
	case d.Allowed:
		return types.PolicyEvaluationDecisionTypeAllowed
	case d.Reason.Explicit():
		return types.PolicyEvaluationDecisionTypeExplicitDeny
	}
	return types.PolicyEvaluationDecisionTypeImplicitDeny
}

// matched lists the statements that led to a decision: those that allow it, or
// those that deny it. To an implicit denial none does. IAM shows those of identity
// and resource policies; of boundaries and guardrails it tells by other members.
func (sim *simulation) matched(x policy.Explanation) []types.Statement {
	out := []types.Statement{}
	effect := policy.Allow
	switch {
	case x.Decision.Allowed:
	case x.Decision.Reason.Explicit():
		effect = policy.Deny
	default:
		return out
	}
	for _, f := range x.Findings {
		shown := f.Policy.Kind == policy.KindIdentity || f.Policy.Kind == policy.KindResource
		if !shown || f.Outcome != policy.Matched || f.Statement.Effect != effect {
			continue
		}
		from := sim.sources[f.Policy.Name]
		out = append(out, types.Statement{
			SourcePolicyId: &from.id, SourcePolicyType: from.kind,
			StartPosition: position(f.Statement.Begin), EndPosition: position(f.Statement.End),
		})
	}
	return out
}

func position(p policy.Position) *types.Position {
	return &types.Position{Line: int32(p.Line), Column: int32(p.Column)}
}

func sameStatement(a, b types.Statement) bool {
	return *a.SourcePolicyId == *b.SourcePolicyId && a.StartPosition.Line == b.StartPosition.Line && a.StartPosition.Column == b.StartPosition.Column
}

func harderBoundary(a, b *types.PermissionsBoundaryDecisionDetail) *types.PermissionsBoundaryDecisionDetail {
	if a == nil || b != nil && !b.AllowedByPermissionsBoundary {
		return b
	}
	return a
}

// hardness orders decisions by how much they stand in the way.
func hardness(d types.PolicyEvaluationDecisionType) int {
	return slices.Index([]types.PolicyEvaluationDecisionType{
		types.PolicyEvaluationDecisionTypeAllowed,
		types.PolicyEvaluationDecisionTypeImplicitDeny,
		types.PolicyEvaluationDecisionTypeExplicitDeny,
	}, d)
}
