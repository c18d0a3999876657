package stsapi

import (
	"encoding/base64"
	"errors"
	"fmt"

	"drydock/auth/seal"
)

// Messages seals what a refusal says beyond its sentence, for those alone who may
// call DecodeAuthorizationMessage.
type Messages struct{ box *seal.Box }

// maxMessage is the length of an encoded message that the operation takes.
const maxMessage = 10240

var errMessage = errors.New("it is not a message that was encoded here")

// NewMessages makes a sealer of messages with a key of its own derived from the
// box's.
func NewMessages(box *seal.Box) (*Messages, error) {
	own, err := box.For("authorization messages")
	if err != nil {
		return nil, fmt.Errorf("set up the sealing of authorization messages: %w", err)
	}
	return &Messages{own}, nil
}

// Encode seals a message. One that would be too long to be decoded again becomes
// none, "".
func (m *Messages) Encode(message string) (string, error) {
	sealed, err := m.box.Seal([]byte(message), "")
	if err != nil {
		return "", fmt.Errorf("seal an authorization message: %w", err)
	}
	if base64.RawURLEncoding.EncodedLen(len(sealed)) > maxMessage {
		return "", nil
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Decode opens what Encode made. Errors: it is something else.
func (m *Messages) Decode(encoded string) (string, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return "", errMessage
	}
	message, err := m.box.Open(sealed, "")
	if err != nil {
		return "", errMessage
	}
	return string(message), nil
}
