package deploy

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/awsapi"
	"drydock/deploy/record"
	"drydock/storage/meta"
)

// What ECS allows of attributes.
// Source: API reference, PutAttributes and Attribute.
const (
	mostAttributes    = 10
	mostOfOneInstance = 10
	reservedAttribute = "ecs."
)

var (
	attributeName  = regexp.MustCompile(`^[a-zA-Z0-9_./\\-]{1,128}$`)
	attributeValue = regexp.MustCompile(`^(?:[a-zA-Z0-9_.@:/\\-](?:[a-zA-Z0-9_.@:/\\ -]{0,126}[a-zA-Z0-9_.@:/\\-])?)?$`)
)

func (s *Service) attributeOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("PutAttributes", s.PutAttributes, func(ctx context.Context, in *ecs.PutAttributesInput) ([]awsapi.Need, error) {
			return needsOnAttributes(ctx, "ecs:PutAttributes", in.Cluster, in.Attributes)
		}),
		awsapi.Op("DeleteAttributes", s.DeleteAttributes, func(ctx context.Context, in *ecs.DeleteAttributesInput) ([]awsapi.Need, error) {
			return needsOnAttributes(ctx, "ecs:DeleteAttributes", in.Cluster, in.Attributes)
		}),
		awsapi.Op("ListAttributes", s.ListAttributes, func(ctx context.Context, in *ecs.ListAttributesInput) ([]awsapi.Need, error) {
			return needsOnCluster(ctx, "ecs:ListAttributes", in.Cluster)
		}),
	}
}

func needsOnAttributes(ctx context.Context, action string, cluster *string, list []types.Attribute) ([]awsapi.Need, error) {
	var given []string
	for _, a := range list {
		if !slices.Contains(given, deref(a.TargetId)) {
			given = append(given, deref(a.TargetId))
		}
	}
	return needsOnInstances(ctx, action, cluster, given...)
}

// PutAttributes sets custom attributes of container instances.
func (s *Service) PutAttributes(ctx context.Context, in *ecs.PutAttributesInput) (*ecs.PutAttributesOutput, error) {
	for _, a := range in.Attributes {
		switch n, v := deref(a.Name), deref(a.Value); {
		case !attributeName.MatchString(n) || strings.HasPrefix(n, reservedAttribute) || strings.HasPrefix(n, "com.amazonaws.ecs."):
			return nil, invalidParameter("Invalid attribute name %q: it has letters, digits and -_./\\, and does not begin with ecs. or com.amazonaws.ecs.", n)
		case !attributeValue.MatchString(v):
			return nil, invalidParameter("Invalid attribute value %q of attribute %s.", v, n)
		}
	}
	list, err := s.changeAttributes(ctx, in.Cluster, in.Attributes, func(i *record.Instance, a types.Attribute) error {
		at := &i.Detail.Shown.Attributes
		*at = slices.DeleteFunc(*at, func(x types.Attribute) bool { return *x.Name == *a.Name })
		*at = append(*at, types.Attribute{Name: a.Name, Value: a.Value})
		custom := 0
		for _, x := range *at {
			if _, described := i.Detail.Described.Attributes[*x.Name]; !described {
				custom++
			}
		}
		if custom > mostOfOneInstance {
			return &types.AttributeLimitExceededException{Message: to(fmt.Sprintf("A container instance has at most %d custom attributes.", mostOfOneInstance))}
		}
		if *a.Name == CapacityAttribute {
			i.Detail.Shown.CapacityProviderName = a.Value
		}
		return nil
	})
	return &ecs.PutAttributesOutput{Attributes: list}, err
}

// DeleteAttributes takes custom attributes back.
func (s *Service) DeleteAttributes(ctx context.Context, in *ecs.DeleteAttributesInput) (*ecs.DeleteAttributesOutput, error) {
	list, err := s.changeAttributes(ctx, in.Cluster, in.Attributes, func(i *record.Instance, a types.Attribute) error {
		at := &i.Detail.Shown.Attributes
		if _, described := i.Detail.Described.Attributes[deref(a.Name)]; described {
			return invalidParameter("The attribute %s is the machine's own.", deref(a.Name))
		}
		*at = slices.DeleteFunc(*at, func(x types.Attribute) bool {
			return *x.Name == deref(a.Name) && (a.Value == nil || deref(x.Value) == *a.Value)
		})
		if deref(a.Name) == CapacityAttribute {
			i.Detail.Shown.CapacityProviderName = nil
		}
		return nil
	})
	return &ecs.DeleteAttributesOutput{Attributes: list}, err
}

// changeAttributes changes attributes of the container instances that they name as
// their targets.
func (s *Service) changeAttributes(ctx context.Context, cluster *string, list []types.Attribute, change func(*record.Instance, types.Attribute) error) ([]types.Attribute, error) {
	if n := len(list); n < 1 || n > mostAttributes {
		return nil, invalidParameter("Between 1 and %d attributes can be changed at once.", mostAttributes)
	}
	var changed []types.Attribute
	err := s.write(ctx, func(q meta.Querier) error {
		changed = []types.Attribute{}
		for _, a := range list {
			if a.TargetType != "" && a.TargetType != types.TargetTypeContainerInstance || deref(a.TargetId) == "" {
				return invalidParameter("Attributes are those of container instances: give the targetId of one.")
			}
			var missing []types.Failure
			err := s.eachInstance(ctx, q, cluster, []string{*a.TargetId}, func(i record.Instance) error {
				if err := change(&i, a); err != nil {
					return err
				}
				changed = append(changed, types.Attribute{
					Name: a.Name, Value: a.Value, TargetType: types.TargetTypeContainerInstance, TargetId: i.Detail.Shown.ContainerInstanceArn,
				})
				if err := record.UpdateInstance(ctx, q, i); err != nil {
					return fmt.Errorf("change container instance %s: %w", i.ID, err)
				}
				return record.WakeAll(ctx, q, i.Scope, i.Cluster, s.millis())
			}, &missing)
			if err != nil {
				return err
			}
			if len(missing) > 0 {
				return &types.TargetNotFoundException{Message: to("The specified target wasn't found. You can view your available container instances with ListContainerInstances.")}
			}
		}
		return nil
	})
	return changed, err
}

// ListAttributes lists the attributes of a cluster's container instances, by
// instance and name.
func (s *Service) ListAttributes(ctx context.Context, in *ecs.ListAttributesInput) (*ecs.ListAttributesOutput, error) {
	scope := scopeOf(ctx)
	c, err := clusterOf(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	if _, err := activeCluster(ctx, s.reader(), scope, c); err != nil {
		return nil, err
	}
	l := listing{scope, "ListAttributes", []string{c, deref(in.AttributeName), deref(in.AttributeValue)}}
	p, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	// A page ends within an instance's attributes: what comes after is told by both.
	instance, after, _ := strings.Cut(p.After, " ")
	found, err := record.Instances(ctx, s.reader(), scope, c, "", record.Page{Limit: 1 << 20})
	if err != nil {
		return nil, fmt.Errorf("list container instances: %w", err)
	}
	var list []types.Attribute
	for _, i := range found {
		if i.ID < instance {
			continue
		}
		own := slices.Clone(i.Detail.Shown.Attributes)
		slices.SortFunc(own, func(a, b types.Attribute) int { return strings.Compare(*a.Name, *b.Name) })
		for _, a := range own {
			if i.ID == instance && *a.Name <= after || deref(in.AttributeName) != "" && *in.AttributeName != *a.Name ||
				in.AttributeValue != nil && *in.AttributeValue != deref(a.Value) {
				continue
			}
			list = append(list, types.Attribute{Name: a.Name, Value: a.Value, TargetType: types.TargetTypeContainerInstance, TargetId: to(i.ID)})
		}
		if len(list) >= p.Limit {
			list = list[:p.Limit]
			break
		}
	}
	list, next := cut(l, p, list, func(a types.Attribute) string { return *a.TargetId + " " + *a.Name })
	out := &ecs.ListAttributesOutput{Attributes: []types.Attribute{}, NextToken: next}
	for _, a := range list {
		a.TargetId = to(instanceARN(scope, c, *a.TargetId))
		out.Attributes = append(out.Attributes, a)
	}
	return out, nil
}
