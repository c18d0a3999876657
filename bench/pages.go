//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// What is paged through.
const (
	pagedRepository = "bench/paged"
	pagedImages     = 100_000
	pagedTotal      = 10_000 // repositories
	pageSize        = 100    // what ECR gives a client that asks for no size
)

// listing is a list that is read page by page: next gets the page behind a token, ""
// being the first, and returns the token of the next one.
type listing struct {
	name string
	next func(ctx context.Context, token string) (string, error)
}

// onPages reads long lists from one end to the other: a page is to cost the same
// wherever it stands.
func onPages(ctx context.Context, o options, large *largeBlob) error {
	p := place{title: "pages", dir: filepath.Join(o.dir, "pages")}
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		return err
	}
	s := newDrydock(o, p, 1)
	defer s.stop()
	if _, err := s.start(ctx); err != nil {
		return err
	}
	if err := s.createRepositories(ctx, []string{pagedRepository}); err != nil {
		return fmt.Errorf("%w\n%s", err, s.log)
	}
	api := ecr.New(ecr.Options{Region: "us-east-1", BaseEndpoint: aws.String("http://" + s.plain[0]), Credentials: aws.CredentialsProviderFunc(credentials)})
	if err := s.fill(ctx, newWorkloads(o, p, large), api); err != nil {
		return fmt.Errorf("%w\n%s", err, s.log)
	}
	before, err := s.peak()
	if err != nil {
		return err
	}
	fmt.Printf("\n%-46s %9s %9s %9s %8s\n", fmt.Sprintf("a page of %d: median", pageSize), "start", "middle", "end", "asked")
	for _, l := range s.listings(api) {
		took, err := l.read(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		third := len(took) / 3
		fmt.Printf("%-46s %9s %9s %9s %8s\n", l.name, micro(took[:third]), micro(took[third:2*third]), micro(took[2*third:]), "< 20ms")
	}
	after, err := s.peak()
	if err != nil {
		return err
	}
	fmt.Printf("peak memory %.1f MiB before, %.1f MiB after\n", float64(before)/(1<<20), float64(after)/(1<<20))
	return nil
}

func micro(d []time.Duration) string { return middle(d).Round(time.Microsecond).String() }

// read reads the list to its end and tells how long each page took.
func (l listing) read(ctx context.Context) (took []time.Duration, err error) {
	for token := ""; token != "" || took == nil; {
		began := time.Now()
		if token, err = l.next(ctx, token); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

// fill makes the images, which share their layers, and the repositories.
func (s *server) fill(ctx context.Context, w *workloads, api *ecr.Client) error {
	image, err := w.image()
	if err != nil {
		return err
	}
	began := time.Now()
	errs := make([]error, clients)
	var wg sync.WaitGroup
	for k := range clients {
		c, err := dial(s, false, k)
		if err != nil {
			return err
		}
		defer c.Close()
		if k == 0 {
			if err := image.push(c, pagedRepository, "first"); err != nil {
				return err
			}
		}
		wg.Go(func() {
			for n := k; n < pagedImages && errs[k] == nil && ctx.Err() == nil; n += clients {
				one := fmt.Appendf(nil, `%s,"annotations":{"n":"%d"}}`, image.manifest[:len(image.manifest)-1], n)
				_, errs[k] = c.do(201, "PUT", fmt.Sprintf("/v2/%s/manifests/v%06d", pagedRepository, n), manifestType, one)
			}
			for n := k; n < pagedTotal && errs[k] == nil && ctx.Err() == nil; n += clients {
				_, errs[k] = api.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: aws.String(fmt.Sprintf("many/r%05d", n))})
			}
		})
	}
	wg.Wait()
	if err := cmp.Or(append(errs, ctx.Err())...); err != nil {
		return err
	}
	fmt.Printf("\n%d images in one repository and %d repositories were made in %s\n", pagedImages, pagedTotal, time.Since(began).Round(time.Second))
	return nil
}

// listings are the lists of what fill made.
func (s *server) listings(api *ecr.Client) []listing {
	repository, size := aws.String(pagedRepository), aws.Int32(pageSize)
	token := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	return []listing{
		{"DescribeImages, 100,000 images", func(ctx context.Context, at string) (string, error) {
			a, err := api.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: repository, MaxResults: size, NextToken: token(at)})
			if err != nil {
				return "", err
			}
			return aws.ToString(a.NextToken), nil
		}},
		// Each page goes past 10,000 images that have tags.
		{"DescribeImages, untagged: none of them", func(ctx context.Context, at string) (string, error) {
			a, err := api.DescribeImages(ctx, &ecr.DescribeImagesInput{
				RepositoryName: repository, MaxResults: size, NextToken: token(at), Filter: &types.DescribeImagesFilter{TagStatus: types.TagStatusUntagged},
			})
			if err != nil {
				return "", err
			}
			return aws.ToString(a.NextToken), nil
		}},
		{"ListImages, all", func(ctx context.Context, at string) (string, error) {
			a, err := api.ListImages(ctx, &ecr.ListImagesInput{RepositoryName: repository, MaxResults: size, NextToken: token(at)})
			if err != nil {
				return "", err
			}
			return aws.ToString(a.NextToken), nil
		}},
		{"tags/list, all", s.tagPages()},
		{"DescribeRepositories, 10,000 repositories", func(ctx context.Context, at string) (string, error) {
			a, err := api.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{MaxResults: size, NextToken: token(at)})
			if err != nil {
				return "", err
			}
			return aws.ToString(a.NextToken), nil
		}},
	}
}

// tagPages gets pages of tags, whose tokens are the targets of their links.
func (s *server) tagPages() func(context.Context, string) (string, error) {
	var c *conn
	return func(_ context.Context, target string) (string, error) {
		if target == "" {
			target = fmt.Sprintf("/v2/%s/tags/list?n=%d", pagedRepository, pageSize)
		}
		if c == nil {
			var err error
			if c, err = dial(s, false, 0); err != nil {
				return "", err
			}
		}
		a, err := c.request("GET", target, "", nil)
		if err != nil || a.status != 200 {
			_, err = c.finish(200, a, err, "GET", target)
			return "", err
		}
		if _, err := c.body(a); err != nil {
			return "", err
		}
		return next(a.link)
	}
}
