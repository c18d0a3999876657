package vulndb

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"drydock/ecrapi/scan/match"
	"drydock/storage/meta"
)

// Record is what is kept of a record of OSV beside which packages it is about.
type Record struct {
	ID string `json:"-"`
	// Names are the ids by which others know it, those of the Upstream records that it
	// was made from apart.
	Names    []string `json:"n,omitempty"`
	Upstream []string `json:"u,omitempty"`
	Summary  string   `json:"s,omitempty"`
	Details  string   `json:"d,omitempty"`
	// Vectors are of CVSS. Severity is a word of those who made it.
	Vectors    []string  `json:"c,omitempty"`
	Severity   string    `json:"w,omitempty"`
	Published  time.Time `json:"p"`
	Modified   time.Time `json:"m"`
	References []string  `json:"r,omitempty"`
}

// What is kept of a record at most.
const (
	longestDetails = 4 << 10
	mostReferences = 20
	mostNames      = 200
)

// published is a record as OSV publishes it, as far as it is used.
type published struct {
	ID        string    `json:"id"`
	Modified  time.Time `json:"modified"`
	Published time.Time `json:"published"`
	Withdrawn string    `json:"withdrawn"`
	Aliases   []string  `json:"aliases"`
	Upstream  []string  `json:"upstream"`
	Summary   string    `json:"summary"`
	Details   string    `json:"details"`
	Severity  []rating  `json:"severity"`
	Affected  []struct {
		Package struct {
			Ecosystem string `json:"ecosystem"`
			Name      string `json:"name"`
		} `json:"package"`
		Severity []rating `json:"severity"`
		Ranges   []struct {
			Type   string `json:"type"`
			Events []struct {
				Introduced   string `json:"introduced"`
				Fixed        string `json:"fixed"`
				LastAffected string `json:"last_affected"`
			} `json:"events"`
		} `json:"ranges"`
		Versions          []string        `json:"versions"`
		EcosystemSpecific json.RawMessage `json:"ecosystem_specific"`
	} `json:"affected"`
	References []struct {
		URL string `json:"url"`
	} `json:"references"`
	DatabaseSpecific json.RawMessage `json:"database_specific"`
}

type rating struct {
	Type  string `json:"type"`
	Score string `json:"score"`
}

// rows are what becomes of a record.
type rows struct {
	record     meta.Vulnerability
	packages   []meta.VulnerablePackage
	ecosystems []string
	modified   time.Time
}

// read makes rows of a record. A record that was withdrawn, or is about nothing that
// could be looked up, makes none.
func read(content []byte) (made rows, err error) {
	var p published
	if err := json.Unmarshal(content, &p); err != nil {
		return rows{}, err
	}
	if p.ID == "" || len(p.ID) > 128 || strings.ContainsRune(p.ID, 0) {
		return rows{}, fmt.Errorf("a record has the id %.40q", p.ID)
	}
	made.modified = p.Modified
	if p.Withdrawn != "" {
		return made, nil
	}
	if made.packages, made.ecosystems, err = p.packages(); err != nil || len(made.packages) == 0 {
		return made, err
	}
	r := Record{
		Names: p.Aliases[:min(len(p.Aliases), mostNames)], Upstream: p.Upstream[:min(len(p.Upstream), mostNames)],
		Summary: shortened(p.Summary), Details: shortened(p.Details), Published: p.Published, Modified: p.Modified,
	}
	for _, s := range p.Severity {
		if strings.HasPrefix(s.Type, "CVSS_") {
			r.Vectors = append(r.Vectors, s.Score)
		} else if r.Severity == "" {
			r.Severity = s.Score
		}
	}
	if r.Severity == "" {
		r.Severity = wordIn(p.DatabaseSpecific)
	}
	for _, ref := range p.References[:min(len(p.References), mostReferences)] {
		r.References = append(r.References, ref.URL)
	}
	document, err := json.Marshal(r)
	if err != nil {
		return rows{}, fmt.Errorf("write record %s: %w", p.ID, err)
	}
	made.record = meta.Vulnerability{ID: p.ID, Document: string(document)}
	return made, nil
}

// packages are what a record is about, each once, with their ecosystems.
func (p *published) packages() ([]meta.VulnerablePackage, []string, error) {
	type key struct{ ecosystem, name string }
	about := map[key][]match.Affected{}
	seen := map[string]bool{}
	var order []key
	var ecosystems []string
	for _, a := range p.Affected {
		ecosystem := keyOf(a.Package.Ecosystem)
		k := key{ecosystem, NameIn(ecosystem, a.Package.Name)}
		if k.ecosystem == "" || k.name == "" || len(k.name) > 512 || len(k.ecosystem) > 128 || strings.ContainsRune(k.name+k.ecosystem, 0) {
			continue
		}
		affected := match.Affected{Severity: wordIn(a.EcosystemSpecific)}
		for _, s := range a.Severity {
			if !strings.HasPrefix(s.Type, "CVSS_") {
				affected.Severity = cmp.Or(affected.Severity, s.Score)
			}
		}
		for _, r := range a.Ranges {
			if r.Type != "SEMVER" && r.Type != "ECOSYSTEM" {
				continue
			}
			var events match.Range
			for _, e := range r.Events {
				switch {
				case e.Introduced != "":
					events = append(events, match.Event{Kind: match.Introduced, Version: e.Introduced})
				case e.Fixed != "":
					events = append(events, match.Event{Kind: match.Fixed, Version: e.Fixed})
				case e.LastAffected != "":
					events = append(events, match.Event{Kind: match.LastAffected, Version: e.LastAffected})
				}
			}
			if len(events) > 0 {
				affected.Ranges = append(affected.Ranges, events)
			}
		}
		// Most lists repeat what the ranges say.
		for _, v := range a.Versions {
			if _, has := (match.Affected{Ranges: affected.Ranges}).Has(match.Parse(ecosystem, v)); !has {
				affected.Versions = append(affected.Versions, v)
			}
		}
		if len(affected.Ranges)+len(affected.Versions) == 0 {
			continue
		}
		if about[k] == nil {
			order = append(order, k)
		}
		about[k] = append(about[k], affected)
		if !seen[ecosystem] {
			seen[ecosystem] = true
			ecosystems = append(ecosystems, ecosystem)
		}
	}
	made := make([]meta.VulnerablePackage, 0, len(order))
	for _, k := range order {
		document, err := json.Marshal(about[k])
		if err != nil {
			return nil, nil, fmt.Errorf("write what record %s says of %s: %w", p.ID, k.name, err)
		}
		made = append(made, meta.VulnerablePackage{Ecosystem: k.ecosystem, Package: k.name, ID: p.ID, Affected: string(document)})
	}
	return made, ecosystems, nil
}

// keyOf is how an ecosystem is looked up, "" for those that no image is of: the long
// names of releases of Ubuntu and Red Hat have what an image does not tell, and what
// is for paying customers of either apart says nothing of the others' packages.
func keyOf(ecosystem string) string {
	name, release, _ := strings.Cut(ecosystem, ":")
	switch name {
	case "Ubuntu":
		if strings.HasPrefix(release, "Pro:") {
			return ""
		}
		return "Ubuntu:" + strings.TrimSuffix(release, ":LTS")
	case "Red Hat":
		product, rest, _ := strings.Cut(release, ":")
		if product != "enterprise_linux" {
			return ""
		}
		version, _, _ := strings.Cut(rest, ":")
		major, _, _ := strings.Cut(version, ".")
		return "Red Hat:" + major
	case "GIT", "":
		return ""
	}
	return ecosystem
}

// NameIn is how a package is looked up in an ecosystem. Python takes several spellings
// of a name for one.
//
// Source: https://packaging.python.org/en/latest/specifications/name-normalization/
func NameIn(ecosystem, name string) string {
	if ecosystem != "PyPI" {
		return name
	}
	parts := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune("-_.", r) })
	return strings.Join(parts, "-")
}

// wordIn finds the word that a database or an ecosystem has for a severity.
func wordIn(specific json.RawMessage) string {
	var words struct {
		Severity any `json:"severity"`
		Urgency  any `json:"urgency"`
	}
	if len(specific) == 0 || json.Unmarshal(specific, &words) != nil {
		return ""
	}
	for _, w := range []any{words.Severity, words.Urgency} {
		if s, is := w.(string); is && len(s) <= 64 {
			if _, known := match.Named(s); known {
				return s
			}
		}
	}
	return ""
}

func shortened(s string) string {
	if len(s) <= longestDetails {
		return s
	}
	return strings.ToValidUTF8(s[:longestDetails], "") + "…"
}
