package ecrapi

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"

	"drydock/awsapi"
	"drydock/ecrapi/scan"
	"drydock/ecrapi/scan/findings"
	"drydock/ecrapi/scan/match"
	"drydock/storage"
)

// StartImageScan orders a scan of an image, once in 24 hours.
func (s *Service) StartImageScan(ctx context.Context, in *ecr.StartImageScanInput) (*ecr.StartImageScanOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	_, i, err := s.scanned(ctx, ref, in.ImageId)
	if err != nil {
		return nil, err
	}
	switch err := s.scanner.Start(ctx, ref, i); {
	case errors.Is(err, scan.ErrDisabled):
		return nil, &types.ValidationException{Message: sentence("This feature is disabled")}
	case errors.Is(err, scan.ErrNoImage):
		return nil, &types.UnsupportedImageTypeException{Message: sentence("An artifact with media type '%s' cannot be scanned", i.MediaType)}
	case errors.Is(err, scan.ErrTooSoon):
		return nil, &types.LimitExceededException{Message: sentence("The scan quota per image has been exceeded. Wait and try again.")}
	case err != nil:
		return nil, exception(err, about{ref: ref})
	}
	return &ecr.StartImageScanOutput{
		RegistryId: &ref.Account, RepositoryName: &ref.Name, ImageId: scannedID(i, in.ImageId),
		ImageScanStatus: &types.ImageScanStatus{Status: types.ScanStatusInProgress},
	}, nil
}

func needsStartImageScan(ctx context.Context, in *ecr.StartImageScanInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:StartImageScan"), nil
}

// DescribeImageScanFindings tells what was found in an image, the worst first, page by
// page.
func (s *Service) DescribeImageScanFindings(ctx context.Context, in *ecr.DescribeImageScanFindingsInput) (*ecr.DescribeImageScanFindingsOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	which, i, err := s.scanned(ctx, ref, in.ImageId)
	if err != nil {
		return nil, err
	}
	list := listing{"DescribeImageScanFindings", ref, string(i.Digest)}
	after, err := list.after(in.NextToken, len(findings.Finding{}.Key()))
	if err != nil {
		return nil, err
	}
	how, err := s.scanner.Applied(ctx, ref)
	if err != nil {
		return nil, exception(err, about{ref: ref})
	}
	state, all, err := s.scanner.Findings(ctx, ref, i.Digest)
	if errors.Is(err, scan.ErrNoScan) {
		return nil, &types.ScanNotFoundException{Message: sentence(
			"Image scan does not exist for the image with '%s' in the repository with name '%s' in the registry with id '%s'", imageIDText(which), ref.Name, ref.Account)}
	}
	if err != nil {
		return nil, exception(err, about{ref: ref})
	}
	out := &ecr.DescribeImageScanFindingsOutput{
		RegistryId: &ref.Account, RepositoryName: &ref.Name, ImageId: scannedID(i, in.ImageId), ImageScanStatus: scanStatus(state, how),
	}
	if state.Status != scan.Complete {
		return out, nil
	}
	if in.NextToken != nil {
		from, there := slices.BinarySearchFunc(all, after, func(f findings.Finding, k []string) int { return slices.Compare(f.Key(), k) })
		if there {
			from++
		}
		all = all[from:]
	}
	page, more := cut(all, pageSize(in.MaxResults))
	if more {
		out.NextToken = list.token(page[len(page)-1].Key()...)
	}
	out.ImageScanFindings = &types.ImageScanFindings{
		FindingSeverityCounts: severityCounts(state.Counts), ImageScanCompletedAt: &state.CompletedAt, VulnerabilitySourceUpdatedAt: &state.SourceAt,
	}
	if how.Type == scan.Enhanced {
		out.ImageScanFindings.EnhancedFindings = []types.EnhancedImageScanFinding{}
		for _, f := range page {
			out.ImageScanFindings.EnhancedFindings = append(out.ImageScanFindings.EnhancedFindings, enhanced(ref, i, state, f))
		}
		return out, nil
	}
	out.ImageScanFindings.Findings = []types.ImageScanFinding{}
	for _, f := range page {
		out.ImageScanFindings.Findings = append(out.ImageScanFindings.Findings, basic(f))
	}
	return out, nil
}

func needsDescribeImageScanFindings(ctx context.Context, in *ecr.DescribeImageScanFindingsInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:DescribeImageScanFindings"), nil
}

// scanned is the image that a request on scans is about.
func (s *Service) scanned(ctx context.Context, ref storage.Ref, id *types.ImageIdentifier) (storage.Reference, storage.Image, error) {
	which, bad := referenceOf(deref(id))
	if bad != nil {
		return which, storage.Image{}, invalidParameter("imageId", "%s", bad.reason)
	}
	i, err := s.engine.Image(ctx, ref, which)
	if err != nil {
		return which, i, exception(err, about{ref: ref})
	}
	return which, i, nil
}

// scannedID is the image's id with its digest, and the tag that it was asked for by.
func scannedID(i storage.Image, asked *types.ImageIdentifier) *types.ImageIdentifier {
	return &types.ImageIdentifier{ImageDigest: text(i.Digest), ImageTag: deref(asked).ImageTag}
}

// tellScans adds to images of a repository what is known of their scans.
func (s *Service) tellScans(ctx context.Context, ref storage.Ref, images []types.ImageDetail) error {
	if len(images) == 0 {
		return nil
	}
	first, last := *images[0].ImageDigest, *images[0].ImageDigest
	for _, i := range images {
		first, last = min(first, *i.ImageDigest), max(last, *i.ImageDigest)
	}
	states, err := s.scanner.States(ctx, ref, digest.Digest(first), digest.Digest(last))
	if err != nil || len(states) == 0 {
		return err
	}
	how, err := s.scanner.Applied(ctx, ref)
	if err != nil {
		return err
	}
	for n := range images {
		st, there := states[digest.Digest(*images[n].ImageDigest)]
		if !there {
			continue
		}
		images[n].ImageScanStatus = scanStatus(st, how)
		if st.Status == scan.Complete {
			images[n].ImageScanFindingsSummary = &types.ImageScanFindingsSummary{
				FindingSeverityCounts: severityCounts(st.Counts), ImageScanCompletedAt: &st.CompletedAt, VulnerabilitySourceUpdatedAt: &st.SourceAt,
			}
		}
	}
	return nil
}

// scanStatus is how far a scan is in ECR's words, which for enhanced scanning are
// others.
func scanStatus(st scan.State, how scan.Applied) *types.ImageScanStatus {
	shown := &types.ImageScanStatus{Status: types.ScanStatus(st.Status), Description: text(st.Description)}
	switch {
	case how.Type != scan.Enhanced && st.Status == scan.Unsupported:
		shown.Status = types.ScanStatusFailed
	case how.Type != scan.Enhanced:
	case st.Status == scan.InProgress:
		shown.Status, shown.Description = types.ScanStatusPending, sentence("The image waits for its first scan.")
	case st.Status == scan.Complete && how.Frequency == scan.Continuous:
		shown.Status = types.ScanStatusActive
		if st.Description == scan.Completed {
			shown.Description = sentence("Continuous scan is selected for image.")
		}
	}
	return shown
}

func severityCounts(counts map[match.Severity]int) map[string]int32 {
	shown := map[string]int32{}
	for severity, n := range counts {
		shown[string(severity)] = int32(n)
	}
	return shown
}

// longestAttribute is how long the value of an attribute may be.
const longestAttribute = 256

// basic is a finding of basic scanning.
func basic(f findings.Finding) types.ImageScanFinding {
	shown := types.ImageScanFinding{
		Name: &f.Name, Description: text(f.Description()), Uri: text(f.URI()), Severity: types.FindingSeverity(f.Severity),
	}
	add := func(key, value string) {
		if value != "" {
			if len(value) > longestAttribute {
				value = value[:longestAttribute]
			}
			shown.Attributes = append(shown.Attributes, types.Attribute{Key: &key, Value: &value})
		}
	}
	add("package_version", f.Package.Version)
	add("package_name", f.Package.Name)
	seen := map[string]bool{}
	for _, score := range f.Scores {
		name := "CVSS" + score.Version[:1]
		if !seen[name] {
			seen[name] = true
			add(name+"_VECTOR", score.Vector)
			add(name+"_SCORE", fmt.Sprintf("%.1f", score.Base))
		}
	}
	add("fixed_in_version", f.Fixed)
	return shown
}
