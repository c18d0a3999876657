package awsapi

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"drydock/awsapi/constraints"
)

// Service is one AWS service, ready to be served: its operations, and how it
// speaks.
type Service struct {
	model      *constraints.Model
	planner    *planner
	operations map[string]*operation
	// internal is how the service calls its own failures.
	internal string
}

// operation is an Operation with all that is known of it before the first call.
type operation struct {
	Operation
	label   string // service:Name, for logs and metrics
	in, out *plan
	checker *constraints.Checker
	blobs   int64 // most bytes that its blobs may have once decoded
}

// NewService makes a service of its model and the operations that exist here.
// Errors: an operation that the model does not have or that is given twice; one
// for which no authorisation is declared; one whose structs do not fit the model.
func NewService(model *constraints.Model, operations []Operation) (*Service, error) {
	if model.Protocol != "json" && model.Protocol != "query" {
		return nil, fmt.Errorf("service %s: protocol %q is not spoken here", model.SigningName, model.Protocol)
	}
	s := &Service{
		model:      model,
		planner:    &planner{spell: model.Spell, done: map[reflect.Type]*plan{}},
		operations: make(map[string]*operation, len(operations)),
	}
	for code, e := range model.Exceptions {
		if e.Fault && (s.internal == "" || code < s.internal) {
			s.internal = code
		}
	}
	for _, o := range operations {
		if err := s.add(o); err != nil {
			return nil, fmt.Errorf("service %s: operation %s: %w", model.SigningName, o.Name, err)
		}
	}
	return s, nil
}

func (s *Service) add(o Operation) error {
	if _, twice := s.operations[o.Name]; twice {
		return errors.New("it is given twice")
	}
	if o.needs == nil && o.identify == nil {
		return errors.New("no authorisation is declared for it")
	}
	if o.identify != nil && s.isJSON() {
		return errors.New("only query services have operations without a signature")
	}
	op := &operation{Operation: o, label: s.model.SigningName + ":" + o.Name}
	var err error
	if op.checker, err = s.model.Checker(o.Name, o.input); err != nil {
		return err
	}
	if op.in, err = s.planner.plan(o.input); err != nil {
		return err
	}
	if op.out, err = s.planner.plan(o.output); err != nil {
		return err
	}
	op.blobs = op.checker.MaxBlob()
	s.operations[o.Name] = op
	return nil
}

// isJSON reports whether the service speaks awsJson1.1, else it speaks awsQuery.
func (s *Service) isJSON() bool { return s.model.Protocol == "json" }

// find returns an operation. Errors: *unknownOperationError.
func (s *Service) find(name string) (*operation, error) {
	if op, ok := s.operations[name]; ok {
		return op, nil
	}
	_, exists := s.model.Operations[name]
	return nil, &unknownOperationError{service: s.model.SigningName, name: name, exists: exists}
}

// unknownOperationError says that an operation cannot be called here, and
// whether it could be at AWS.
type unknownOperationError struct {
	service, name string
	exists        bool
}

func (e *unknownOperationError) Error() string {
	name := shorten(e.name)
	if name == "" {
		return "The request names no operation."
	}
	if e.exists {
		return fmt.Sprintf("drydock does not provide the operation %s of %s.", name, e.service)
	}
	if e.service == "" {
		return fmt.Sprintf("drydock knows no service with an operation %s.", name)
	}
	return fmt.Sprintf("There is no operation %s of %s that drydock knows.", name, e.service)
}

// shorten keeps what a client sent from filling an answer or a log.
func shorten(s string) string {
	const most = 128
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
