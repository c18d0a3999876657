//go:build linux

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"sync"
)

const tagsRepository = "bench/tags"

// listTags has every client list all tags of a repository, in as many pages as the
// server makes of them when it is not told how long they are to be.
func (w *workloads) listTags(count, times int) func(int) (job, error) {
	return func(int) (job, error) {
		image, err := w.image()
		if err != nil {
			return job{}, err
		}
		return job{clients: clients, ops: clients * times, before: func(c []*conn) error {
			return image.tagAll(c, count)
		}, do: func(c *conn, _ int) error {
			for range times {
				if err := c.listTags(count); err != nil {
					return err
				}
			}
			return nil
		}}, nil
	}
}

// tagAll gives the image that many tags, unless an earlier round has done it.
func (i image) tagAll(conns []*conn, count int) error {
	name := func(n int) string { return fmt.Sprintf("/v2/%s/manifests/tag-%d", tagsRepository, n) }
	a, err := conns[0].request("HEAD", name(count-1), "", nil)
	if err != nil || a.status == 200 {
		return err
	}
	if err := i.push(conns[0], tagsRepository, "tag-0"); err != nil {
		return err
	}
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for k, c := range conns {
		wg.Go(func() {
			for n := k; n < count-1 && errs[k] == nil; n += len(conns) {
				_, errs[k] = c.do(201, "PUT", name(n), manifestType, i.manifest)
			}
		})
	}
	wg.Wait()
	if err := cmp.Or(errs...); err != nil {
		return err
	}
	_, err = conns[0].do(201, "PUT", name(count-1), manifestType, i.manifest)
	return err
}

// listTags lists all tags, page by page, and counts them.
func (c *conn) listTags(count int) error {
	got := 0
	for target := "/v2/" + tagsRepository + "/tags/list"; target != ""; {
		a, err := c.request("GET", target, "", nil)
		if err != nil || a.status != 200 {
			_, err = c.finish(200, a, err, "GET", target)
			return err
		}
		page, err := c.body(a)
		if err != nil {
			return err
		}
		got += bytes.Count(page, []byte(`"tag-`))
		if target, err = next(a.link); err != nil {
			return err
		}
	}
	if got != count {
		return fmt.Errorf("%d tags were listed, not %d", got, count)
	}
	return nil
}

// next is the target that a Link header has for the next page, or "".
func next(link string) (string, error) {
	target, _, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if target == "" {
		return "", nil
	}
	u, err := url.Parse(target)
	if err != nil {
		return "", err
	}
	return u.RequestURI(), nil
}
