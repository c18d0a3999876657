package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"drydock/internal/bytesize"
	"drydock/internal/diskroom"
)

// Quota is the most that an account or a repository may hold; 0 is no limit.
type Quota struct {
	Bytes, Images int64
}

// noQuota is how it is said that there is none.
const noQuota = "none"

const quotaForm = "bytes=10GiB,images=1000, of which one may be left out, or " + noQuota

// set sets one of the limits.
func (q *Quota) set(name, value string) error {
	switch name {
	case "bytes":
		n, err := bytesize.Parse(value)
		if err != nil || n == 0 {
			return fmt.Errorf("%q is not a number of bytes, such as 10GiB", value)
		}
		q.Bytes = n
	case "images":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n <= 0 {
			return fmt.Errorf("%q is not a number of images, such as 1000", value)
		}
		q.Images = n
	default:
		return fmt.Errorf("%q is nothing that a quota limits: give %s", name, quotaForm)
	}
	return nil
}

// String writes a quota as it is set.
func (q Quota) String() string {
	var parts []string
	if q.Bytes > 0 {
		parts = append(parts, "bytes="+strings.ReplaceAll(bytesize.Format(q.Bytes), " ", ""))
	}
	if q.Images > 0 {
		parts = append(parts, "images="+strconv.FormatInt(q.Images, 10))
	}
	if parts == nil {
		return noQuota
	}
	return strings.Join(parts, ",")
}

// parseQuota reads what String writes.
func parseQuota(v string) (Quota, error) {
	var q Quota
	if v == noQuota {
		return q, nil
	}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(v, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || seen[name] {
			return Quota{}, fmt.Errorf("%q is not a quota: give %s", v, quotaForm)
		}
		seen[name] = true
		if err := q.set(name, value); err != nil {
			return Quota{}, err
		}
	}
	return q, nil
}

// quota is the setting of a quota.
func quota(name, usage string, field func(*Config) *Quota) setting {
	return setting{name: name, value: "QUOTA", usage: usage,
		set:    one(func(c *Config, v string) (err error) { *field(c), err = parseQuota(v); return err }),
		setMap: func(c *Config, n *yaml.Node) error { return quotaNode(field(c), n) },
		show:   func(c Config) string { return field(&c).String() },
	}
}

// count is the setting of how many there may be of something.
func count(name, usage string, field func(*Config) *int64) setting {
	return setting{name: name, value: "N", usage: usage + ", or " + noQuota,
		set: one(func(c *Config, v string) error {
			if v == noQuota {
				*field(c) = 0
				return nil
			}
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil || n <= 0 {
				return fmt.Errorf("%q is not a number of one or more, nor %s", v, noQuota)
			}
			*field(c) = n
			return nil
		}),
		show: func(c Config) string {
			if *field(&c) == 0 {
				return noQuota
			}
			return strconv.FormatInt(*field(&c), 10)
		},
	}
}

// quotaNode reads a quota that is a mapping in the file.
func quotaNode(q *Quota, n *yaml.Node) error {
	*q = Quota{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if value.Kind != yaml.ScalarNode {
			return errors.New("want bytes and images, each one value")
		}
		if err := q.set(key.Value, value.Value); err != nil {
			return fmt.Errorf("line %d: %w", key.Line, err)
		}
	}
	return nil
}

// setWatermark takes how much of the disk is to be left free.
func setWatermark(c *Config, v string) (err error) {
	c.DiskWatermark, err = diskroom.Parse(v)
	return err
}
