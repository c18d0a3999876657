package awsapi

import (
	"context"
	"reflect"

	"drydock/auth"
)

// Call is what the front knows of the request that an operation serves.
type Call struct {
	// RequestID is the id that the client finds in x-amzn-RequestId and the
	// operator in the log.
	RequestID string
	Principal auth.Principal
	// Region is that of the signature's credential scope.
	Region string
}

type callKey struct{}

// WithCall returns a context that carries c.
func WithCall(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// CallFrom returns the call that a context carries. It is there for every
// operation that the front runs; elsewhere it is empty.
func CallFrom(ctx context.Context) *Call {
	if c, ok := ctx.Value(callKey{}).(*Call); ok {
		return c
	}
	return &Call{}
}

// Need is one permission that an operation takes. All of an operation's needs
// must be allowed before it runs.
type Need struct {
	// Action is the IAM action, e.g. ecr:CreateRepository.
	Action string
	// Resource is the ARN acted upon, "*" where the action names none.
	Resource string
	// ResourceAccount owns the resource.
	ResourceAccount string
	// Keys are the condition keys that this call has of its own; see
	// auth.Request.
	Keys map[string][]string
	// Shown is how a refusal calls the resource, where not by its ARN; see
	// auth.Request.
	Shown string
}

// Operation is one operation of an AWS service: its name, what it does and what
// it takes to be allowed to. Make one with Op.
type Operation struct {
	Name          string
	input, output reflect.Type
	run           func(ctx context.Context, in any) (any, error)
	needs         func(ctx context.Context, in any) ([]Need, error) // nil when undeclared
	// identify stands in for both in an operation that takes no signature.
	identify func(ctx context.Context, in any) (*bearer, error)
}

// Input is the SDK's struct that the operation takes.
func (o Operation) Input() reflect.Type { return o.input }

// Op makes an operation of a method over the SDK's own structs. needs derives
// from the input which permissions the call takes; there is no operation without
// it. An operation that anybody with a valid signature may call returns none.
func Op[I, O any](name string, run func(context.Context, *I) (*O, error), needs func(context.Context, *I) ([]Need, error)) Operation {
	op := Operation{
		Name:   name,
		input:  reflect.TypeFor[I](),
		output: reflect.TypeFor[O](),
		run: func(ctx context.Context, in any) (any, error) {
			out, err := run(ctx, in.(*I))
			if err != nil {
				return nil, err
			}
			if out == nil {
				out = new(O)
			}
			return out, nil
		},
	}
	if needs != nil {
		op.needs = func(ctx context.Context, in any) ([]Need, error) { return needs(ctx, in.(*I)) }
	}
	return op
}

// After makes the operation one that a check has to pass before anything is asked
// about permissions. Operations without a signature have no caller to check and
// stay as they are.
func (o Operation) After(check func(context.Context) error) Operation {
	needs := o.needs
	if needs == nil {
		return o
	}
	o.needs = func(ctx context.Context, in any) ([]Need, error) {
		if err := check(ctx); err != nil {
			return nil, err
		}
		return needs(ctx, in)
	}
	return o
}

// Bearer is who calls an operation that takes no signature, by what the input
// shows of them.
type Bearer[O any] struct {
	// Principal has no access key.
	Principal auth.Principal
	// Needs are the permissions that the call takes.
	Needs []Need
	// Run carries the call out, once it is allowed.
	Run func(context.Context) (*O, error)
}

// bearer is a Bearer of whatever output.
type bearer struct {
	principal auth.Principal
	needs     []Need
	run       func(context.Context) (any, error)
}

// OpenOp makes an operation of a query service that takes no signature: identify
// finds out who calls by a proof that the input holds, and refuses who has none.
// The caller then needs permission like any other, but of a refusal is told no
// more than which action it was.
func OpenOp[I, O any](name string, identify func(context.Context, *I) (*Bearer[O], error)) Operation {
	op := Operation{Name: name, input: reflect.TypeFor[I](), output: reflect.TypeFor[O]()}
	if identify == nil {
		return op
	}
	op.identify = func(ctx context.Context, in any) (*bearer, error) {
		b, err := identify(ctx, in.(*I))
		if err != nil {
			return nil, err
		}
		return &bearer{b.Principal, b.Needs, func(ctx context.Context) (any, error) {
			out, err := b.Run(ctx)
			if err != nil {
				return nil, err
			}
			if out == nil {
				out = new(O)
			}
			return out, nil
		}}, nil
	}
	return op
}
