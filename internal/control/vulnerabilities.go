package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"

	"drydock/ecrapi/scan/vulndb"
)

// Vulnerabilities are those that images are compared with. *scan.Scanner has them.
type Vulnerabilities interface {
	Import(ctx context.Context, places []string) (vulndb.Imported, error)
	Version(ctx context.Context) (vulndb.Version, error)
	Comparing(ctx context.Context) (bool, error)
}

// exports are where OSV's exports are: zip files, and folders with them, on the
// server's machine.
type exports struct {
	Places []string `json:"places"`
}

// VulnerabilityStatus tells which vulnerabilities are known.
type VulnerabilityStatus struct {
	// Imported is nil where none ever were.
	Imported *vulndb.Version `json:"imported"`
	// Comparing is set while images are still to be compared with them.
	Comparing bool `json:"comparing"`
}

func (s *Server) importVulnerabilities(ctx context.Context, in exports) (vulndb.Imported, error) {
	if len(in.Places) == 0 {
		return vulndb.Imported{}, errors.New("no folder and no zip file is named")
	}
	for _, p := range in.Places {
		if !filepath.IsAbs(p) {
			return vulndb.Imported{}, fmt.Errorf("%q is not an absolute path", p)
		}
	}
	return s.o.Vulnerabilities.Import(ctx, in.Places)
}

func (s *Server) vulnerabilities(ctx context.Context, _ nothing) (VulnerabilityStatus, error) {
	v, err := s.o.Vulnerabilities.Version(ctx)
	if errors.Is(err, vulndb.ErrNone) {
		return VulnerabilityStatus{}, nil
	}
	if err != nil {
		return VulnerabilityStatus{}, err
	}
	comparing, err := s.o.Vulnerabilities.Comparing(ctx)
	return VulnerabilityStatus{&v, comparing}, err
}

// ImportVulnerabilities has the server read OSV's exports, of which it is told where
// on its machine they are. When ctx ends nothing is imported.
func (c *Client) ImportVulnerabilities(ctx context.Context, places []string) (vulndb.Imported, error) {
	return call[vulndb.Imported](ctx, c, http.MethodPost, "/vulndb", exports{places})
}

// Vulnerabilities tells which vulnerabilities are known.
func (c *Client) Vulnerabilities(ctx context.Context) (VulnerabilityStatus, error) {
	return call[VulnerabilityStatus](ctx, c, http.MethodGet, "/vulndb", nil)
}
