package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// model is the part of botocore's service-2.json that matters here.
type model struct {
	Metadata struct {
		APIVersion   string `json:"apiVersion"`
		Protocol     string `json:"protocol"`
		TargetPrefix string `json:"targetPrefix"`
		Endpoint     string `json:"endpointPrefix"`
		SigningName  string `json:"signingName"`
		XMLNamespace string `json:"xmlNamespace"`
		JSONVersion  string `json:"jsonVersion"`
	} `json:"metadata"`
	Operations map[string]struct {
		Input, Output ref
	} `json:"operations"`
	Shapes map[string]*shape `json:"shapes"`
}

type ref struct {
	Shape        string `json:"shape"`
	LocationName string `json:"locationName"`
}

type shape struct {
	Type      string   `json:"type"`
	Required  []string `json:"required"`
	Members   members  `json:"members"`
	Member    ref      `json:"member"`
	Key       ref      `json:"key"`
	Value     ref      `json:"value"`
	Min       *float64 `json:"min"`
	Max       *float64 `json:"max"`
	Pattern   string   `json:"pattern"`
	Enum      []string `json:"enum"`
	Sensitive bool     `json:"sensitive"`
	Flattened bool     `json:"flattened"`
	Exception bool     `json:"exception"`
	Fault     bool     `json:"fault"`
	Error     struct {
		Code   string `json:"code"`
		Status int    `json:"httpStatusCode"`
	} `json:"error"`
}

// member is one member of a structure. Their order is the model's, which is the
// order in which a service reports what is wrong with them.
type member struct {
	name string
	ref
}

type members []member

func (m *members) UnmarshalJSON(b []byte) error {
	var byName map[string]ref
	if err := json.Unmarshal(b, &byName); err != nil {
		return err
	}
	order, err := keys(b)
	if err != nil {
		return err
	}
	for _, name := range order {
		*m = append(*m, member{name, byName[name]})
	}
	return nil
}

// keys lists the keys of a JSON object in their order.
func keys(b []byte) ([]string, error) {
	var order []string
	d := json.NewDecoder(bytes.NewReader(b))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		order = append(order, key.(string))
	}
	return order, nil
}

// readModel reads the newest model that botocore has of a service.
func readModel(botocore, dir string) (*model, error) {
	folder := filepath.Join(botocore, "data", dir)
	versions, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("looking for the model: %w", err)
	}
	if len(versions) == 0 {
		return nil, fmt.Errorf("%s is empty", folder)
	}
	newest := slices.MaxFunc(versions, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	file := filepath.Join(folder, newest.Name(), "service-2.json")
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		b, err = readCompressed(file + ".gz")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the model: %w", err)
	}
	m := new(model)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return m, nil
}

func readCompressed(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
