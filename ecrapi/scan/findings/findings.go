// Package findings compares the packages of an image with the vulnerabilities that are
// known. What it finds is not stored: the packages are, so that a new import of
// vulnerabilities shows at once, and no layer need be read again.
package findings

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"drydock/ecrapi/scan/inventory"
	"drydock/ecrapi/scan/match"
	"drydock/ecrapi/scan/vulndb"
)

// Finding is a vulnerability of a package of an image.
type Finding struct {
	// Name is the CVE, or the id of a record that has none. ID is that of the record.
	Name, ID string
	Severity match.Severity
	// Scores are of CVSS, the newest version of it first.
	Scores []match.Score
	// Package is what has it, Places where that is in the image, and Fixed the version
	// that does not have it, empty where none is known.
	Package inventory.Package
	Places  []Place
	Fixed   string

	// VendorSeverity is the word of those who made the record, empty for none.
	VendorSeverity string

	Summary, Details    string
	Published, Modified time.Time
	References, Related []string
}

// Description is what is said of it at most length.
func (f Finding) Description() string { return cmp.Or(f.Details, f.Summary) }

// Place is where a package is in an image: the file that names it, and the digest of
// the layer with that file.
type Place struct{ Path, Layer string }

// Key tells findings of an image apart, in their order.
func (f Finding) Key() []string {
	return []string{strconv.Itoa(f.Severity.Rank()), f.Name, f.Package.Name, f.Package.Version, f.Package.Ecosystem, f.Package.Arch}
}

// URI is where one reads of it.
func (f Finding) URI() string {
	if len(f.References) > 0 {
		return f.References[0]
	}
	return "https://osv.dev/vulnerability/" + f.ID
}

// What findings of an image are at most, and places of one.
const (
	most       = 200_000
	mostPlaces = 64
)

// ErrTooMany says that an image has more findings than are looked at.
var ErrTooMany = fmt.Errorf("the image has more than %d findings", most)

// hit is a package that a record is about.
type hit struct {
	pkg     inventory.Package
	id      string
	fixed   string
	vendors string
}

// Of finds what is known of the packages of an image, the worst first.
func Of(ctx context.Context, db *vulndb.Database, version int64, of inventory.Inventory) ([]Finding, error) {
	hits, err := hitsOf(ctx, db, version, of)
	if err != nil || len(hits) == 0 {
		return nil, err
	}
	var ids []string
	seen := map[string]bool{}
	for _, h := range hits {
		if !seen[h.id] {
			seen[h.id] = true
			ids = append(ids, h.id)
		}
	}
	records, err := db.Records(ctx, version, ids)
	if err != nil {
		return nil, err
	}
	all := make([]Finding, 0, len(hits))
	for _, h := range hits {
		if r, there := records[h.id]; there { // it is gone when a newer import has come meanwhile
			all = append(all, finding(h, r))
		}
	}
	all = merged(all)
	slices.SortFunc(all, func(a, b Finding) int { return slices.Compare(a.Key(), b.Key()) })
	return all, nil
}

// asked is a name by which packages are looked up.
type asked struct{ ecosystem, name string }

// hitsOf finds the records that packages are affected by.
func hitsOf(ctx context.Context, db *vulndb.Database, version int64, of inventory.Inventory) ([]hit, error) {
	names := map[asked][]inventory.Package{}
	byEcosystem := map[string][]string{}
	seen := map[inventory.Package]bool{}
	for _, p := range of.Packages {
		for name, version := range lookups(p) {
			k := asked{p.Ecosystem, name}
			if names[k] == nil {
				byEcosystem[p.Ecosystem] = append(byEcosystem[p.Ecosystem], name)
			}
			// What was built from one source has its vulnerabilities once.
			p.Name, p.Version, p.Source, p.SourceVersion = name, version, "", ""
			if !seen[p] {
				seen[p] = true
				names[k] = append(names[k], p)
			}
		}
	}
	var hits []hit
	for ecosystem, list := range byEcosystem {
		known, err := db.Known(ctx, version, ecosystem, list)
		if err != nil {
			return nil, err
		}
		for _, k := range known {
			affected, err := match.Read(k.Affected)
			if err != nil {
				return nil, err
			}
			for _, p := range names[asked{ecosystem, k.Package}] {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				parsed := match.Parse(ecosystem, p.Version)
				for _, a := range affected {
					if fixed, has := a.Has(parsed); has {
						if len(hits) == most {
							return nil, ErrTooMany
						}
						hits = append(hits, hit{pkg: p, id: k.ID, fixed: fixed, vendors: a.Severity})
						break
					}
				}
			}
		}
	}
	return hits, nil
}

// lookups are the names by which a package may be known, with its version under each:
// Debian, Ubuntu and Alpine know sources alone, Wolfi and SUSE sources too.
func lookups(p inventory.Package) map[string]string {
	if p.Ecosystem == "" {
		return nil
	}
	source, version := cmp.Or(p.Source, p.Name), cmp.Or(p.SourceVersion, p.Version)
	distribution, _, _ := strings.Cut(p.Ecosystem, ":")
	switch distribution {
	case "Debian", "Ubuntu", "Alpine":
		return map[string]string{source: version}
	case "Wolfi", "Chainguard", "MinimOS", "SUSE", "openSUSE", "Mageia":
		return map[string]string{p.Name: p.Version, source: version}
	}
	return map[string]string{vulndb.NameIn(p.Ecosystem, p.Name): p.Version}
}

func finding(h hit, r vulndb.Record) Finding {
	f := Finding{
		Name: nameOf(r), ID: r.ID, Package: h.pkg, Places: []Place{{h.pkg.Path, h.pkg.Layer}}, Fixed: h.fixed,
		Summary: r.Summary, Details: r.Details, Published: r.Published, Modified: r.Modified, References: r.References,
	}
	f.Package.Path, f.Package.Layer = "", ""
	for _, v := range r.Vectors {
		if s, ok := match.ReadVector(v); ok {
			f.Scores = append(f.Scores, s)
		}
	}
	slices.SortStableFunc(f.Scores, func(a, b match.Score) int { return strings.Compare(b.Version, a.Version) })
	f.Severity = match.Undefined
	for _, word := range []string{h.vendors, r.Severity} {
		if s, known := match.Named(word); known {
			f.Severity, f.VendorSeverity = s, word
			break
		}
	}
	if f.Severity == match.Undefined && len(f.Scores) > 0 {
		f.Severity = f.Scores[0].Severity()
	}
	for _, n := range slices.Concat([]string{r.ID}, r.Names, r.Upstream) {
		if n != f.Name && !slices.Contains(f.Related, n) {
			f.Related = append(f.Related, n)
		}
	}
	return f
}

const cve = "CVE-"

// nameOf is the CVE that a record is of, or its own id where it is of none, or several.
func nameOf(r vulndb.Record) string {
	if strings.HasPrefix(r.ID, cve) {
		return r.ID
	}
	for _, list := range [][]string{r.Names, r.Upstream} {
		var cves []string
		for _, n := range list {
			if strings.HasPrefix(n, cve) && !slices.Contains(cves, n) {
				cves = append(cves, n)
			}
		}
		if len(cves) == 1 {
			return cves[0]
		}
		if len(cves) > 1 {
			return r.ID
		}
	}
	return r.ID
}

// merged has each vulnerability of a package once, however many records are of it,
// and leaves out advisories of several vulnerabilities that are all there themselves.
func merged(all []Finding) []Finding {
	type key struct {
		pkg  inventory.Package
		name string
	}
	first := map[key]int{}
	var kept []Finding
	for _, f := range all {
		k := key{f.Package, f.Name}
		i, there := first[k]
		if !there {
			first[k] = len(kept)
			kept = append(kept, f)
			continue
		}
		kept[i] = better(kept[i], f)
	}
	return slices.DeleteFunc(kept, func(f Finding) bool {
		if strings.HasPrefix(f.Name, cve) {
			return false
		}
		some := false
		for _, n := range f.Related {
			if strings.HasPrefix(n, cve) {
				if _, there := first[key{f.Package, n}]; !there {
					return false
				}
				some = true
			}
		}
		return some
	})
}

// better is what two records say of the same: what the first lacks is the second's.
func better(a, b Finding) Finding {
	if a.Severity == match.Undefined && b.Severity != match.Undefined || a.Severity == b.Severity && a.ID > b.ID {
		a, b = b, a
	}
	if len(a.Scores) == 0 {
		a.Scores = b.Scores
	}
	a.Fixed = cmp.Or(a.Fixed, b.Fixed)
	for _, p := range b.Places {
		if len(a.Places) < mostPlaces && !slices.Contains(a.Places, p) {
			a.Places = append(a.Places, p)
		}
	}
	a.Summary, a.Details = cmp.Or(a.Summary, b.Summary), cmp.Or(a.Details, b.Details)
	if len(a.References) == 0 {
		a.References = b.References
	}
	for _, n := range b.Related {
		if n != a.Name && !slices.Contains(a.Related, n) {
			a.Related = append(a.Related, n)
		}
	}
	return a
}

// Counts is how many findings each severity has.
func Counts(all []Finding) map[match.Severity]int {
	counts := map[match.Severity]int{}
	for _, f := range all {
		counts[f.Severity]++
	}
	return counts
}
