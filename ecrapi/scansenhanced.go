package ecrapi

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"drydock/ecrapi/scan"
	"drydock/ecrapi/scan/findings"
	"drydock/ecrapi/scan/inventory"
	"drydock/internal/arn"
	"drydock/storage"
)

// Words of Amazon Inspector, whose findings enhanced scanning has.
//
// Source: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_EnhancedImageScanFinding.html
const (
	vulnerabilityFinding = "PACKAGE_VULNERABILITY"
	imageResource        = "AWS_ECR_CONTAINER_IMAGE"
	noRemediation        = "None Provided"
	sourceOfFindings     = "OSV"
)

// enhanced is a finding of enhanced scanning.
func enhanced(ref storage.Ref, i storage.Image, st scan.State, f findings.Finding) types.EnhancedImageScanFinding {
	hash := sha256.Sum256([]byte(strings.Join(append([]string{arnOf(ref), string(i.Digest)}, f.Key()[1:]...), "\x00")))
	shown := types.EnhancedImageScanFinding{
		AwsAccountId: &ref.Account, Description: text(f.Description()), Status: text("ACTIVE"), Type: text(vulnerabilityFinding),
		FindingArn: text(arn.ARN{Service: "inspector2", Region: ref.Region, Account: ref.Account, Resource: "finding/" + hex.EncodeToString(hash[:16])}.String()),
		Severity:   text(f.Severity), Title: sentence("%s - %s", f.Name, f.Package.Name), FixAvailable: text("NO"),
		FirstObservedAt: &st.RequestedAt, LastObservedAt: &st.CompletedAt, UpdatedAt: &st.CompletedAt,
		Remediation: &types.Remediation{Recommendation: &types.Recommendation{Text: text(noRemediation)}},
	}
	if f.Fixed != "" {
		shown.FixAvailable = text("YES")
		shown.Remediation.Recommendation.Text = sentence("Update %s to version %s or later", f.Package.Name, f.Fixed)
	}
	details := &types.PackageVulnerabilityDetails{
		VulnerabilityId: &f.Name, Source: text(sourceOfFindings), SourceUrl: text(f.URI()), ReferenceUrls: f.References,
		RelatedVulnerabilities: f.Related, VendorSeverity: text(f.VendorSeverity),
		VendorCreatedAt: timeOrNone(f.Published), VendorUpdatedAt: timeOrNone(f.Modified),
	}
	for _, score := range f.Scores {
		details.Cvss = append(details.Cvss, types.CvssScore{
			BaseScore: score.Base, ScoringVector: &score.Vector, Source: text(sourceOfFindings), Version: &score.Version,
		})
	}
	if len(f.Scores) > 0 {
		score := f.Scores[0]
		shown.Score = score.Base
		shown.ScoreDetails = &types.ScoreDetails{Cvss: &types.CvssScoreDetails{
			Score: score.Base, ScoreSource: text(sourceOfFindings), ScoringVector: &score.Vector, Version: &score.Version,
		}}
	}
	for _, p := range f.Places {
		details.VulnerablePackages = append(details.VulnerablePackages, vulnerablePackage(f, p))
	}
	shown.PackageVulnerabilityDetails = details
	shown.Resources = []types.Resource{{
		Id: sentence("%s/%s", arnOf(ref), i.Digest), Type: text(imageResource), Tags: map[string]string{},
		Details: &types.ResourceDetails{AwsEcrContainerImage: &types.AwsEcrContainerImageDetails{
			ImageHash: text(i.Digest), ImageTags: i.Tags, PushedAt: &i.PushedAt, Registry: &ref.Account, RepositoryName: &ref.Name,
			Platform: text(strings.ToUpper(strings.ReplaceAll(st.OS, " ", "_"))),
		}},
	}}
	return shown
}

// vulnerablePackage is a package at one place of an image. Those of an operating
// system have an epoch before their version, and a release behind it.
func vulnerablePackage(f findings.Finding, at findings.Place) types.VulnerablePackage {
	p := types.VulnerablePackage{
		Name: &f.Package.Name, Version: &f.Package.Version, PackageManager: text(f.Package.Manager), Arch: text(f.Package.Arch),
		FilePath: text(at.Path), SourceLayerHash: text(at.Layer), FixedInVersion: text(f.Fixed),
	}
	if f.Package.Manager != inventory.ManagerOS {
		return p
	}
	version := f.Package.Version
	if epoch, rest, found := strings.Cut(version, ":"); found {
		if n, err := strconv.ParseInt(epoch, 10, 32); err == nil {
			whole := int32(n)
			p.Epoch, version = &whole, rest
		}
	}
	if n := strings.LastIndexByte(version, '-'); n > 0 {
		p.Release, version = text(version[n+1:]), version[:n]
	}
	p.Version = &version
	return p
}

func timeOrNone(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
