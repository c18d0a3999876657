// Package events tells others what becomes of images: each push, deletion, scan,
// replication and signature goes to the webhooks of its account and region, as the
// JSON that ECR sends to EventBridge, signed.
//
// An event is ordered in the transaction of what it tells of, so none is lost with
// the server, and delivered until it is taken, for a day: at least once, and in no
// order.
//
// Sources: https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html,
// https://www.standardwebhooks.com
package events

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"drydock/internal/arn"
	"drydock/storage"
)

// The kinds of changes beside the engine's that are told. Their details are what
// ECR's events of that type have.
const (
	Scanned    storage.ChangeKind = "scanned"
	Replicated storage.ChangeKind = "replicated"
	Signed     storage.ChangeKind = "signed"
	Cached     storage.ChangeKind = "cached"
)

// DetailTypes are all that an event can be of.
func DetailTypes() []string {
	return []string{imageAction, imageScan, replicationAction, imageSigning, cacheAction}
}

const (
	imageAction       = "ECR Image Action"
	imageScan         = "ECR Image Scan"
	replicationAction = "ECR Replication Action"
	cacheAction       = "ECR Pull Through Cache Action"
	// ECR has no event for signatures.
	imageSigning = "ECR Image Signing"
)

// Event is what is sent.
type Event struct {
	Version    string         `json:"version"`
	ID         string         `json:"id"`
	DetailType string         `json:"detail-type"`
	Source     string         `json:"source"`
	Account    string         `json:"account"`
	Time       time.Time      `json:"time"`
	Region     string         `json:"region"`
	Resources  []string       `json:"resources"`
	Detail     map[string]any `json:"detail"`
}

// of makes the events that a change is told by: one for each tag, or one for an
// image without.
func of(c storage.Change, id func() (string, error)) ([]Event, error) {
	switch c.Kind {
	case storage.ImagePushed:
		return actions(c, "PUSH", id)
	case storage.ImageDeleted, storage.ImageUntagged:
		return actions(c, "DELETE", id)
	}
	types := map[storage.ChangeKind]string{Scanned: imageScan, Replicated: replicationAction, Signed: imageSigning, Cached: cacheAction}
	detailType, known := types[c.Kind]
	if !known {
		return nil, nil
	}
	e, err := event(c, detailType, id)
	if err != nil {
		return nil, err
	}
	e.Resources = []string{arn.Repository(c.Ref.Account, c.Ref.Region, c.Ref.Name)}
	for k, v := range c.Detail {
		e.Detail[k] = v
	}
	return []Event{e}, nil
}

// actions are the events of a push or a deletion.
func actions(c storage.Change, action string, id func() (string, error)) ([]Event, error) {
	tags := c.Tags
	if len(tags) == 0 {
		tags = []string{""}
	}
	var all []Event
	for _, t := range tags {
		e, err := event(c, imageAction, id)
		if err != nil {
			return nil, err
		}
		e.Detail["result"], e.Detail["action-type"] = "SUCCESS", action
		if t != "" {
			e.Detail["image-tag"] = t
		}
		if c.MediaType != "" {
			e.Detail["manifest-media-type"] = c.MediaType
		}
		if c.ArtifactType != "" {
			e.Detail["artifact-media-type"] = c.ArtifactType
		}
		all = append(all, e)
	}
	return all, nil
}

func event(c storage.Change, detailType string, id func() (string, error)) (Event, error) {
	name, err := id()
	if err != nil {
		return Event{}, fmt.Errorf("make an id: %w", err)
	}
	return Event{
		Version: "0", ID: name, DetailType: detailType, Source: "aws.ecr",
		Account: c.Ref.Account, Region: c.Ref.Region, Time: c.At.UTC().Truncate(time.Second), Resources: []string{},
		Detail: map[string]any{"repository-name": c.Ref.Name, "image-digest": string(c.Digest)},
	}, nil
}

// Queue is where events wait to be delivered.
const Queue = "events"

// delivery is the document of a job: an event for one webhook.
type delivery struct {
	Webhook string `json:"webhook"`
	Event   Event  `json:"event"`
}

// Watcher orders the delivery of what the webhooks of a registry ask for. random
// yields the ids of events.
func Watcher(random io.Reader) storage.Watcher {
	id := func() (string, error) {
		u, err := uuid.NewRandomFromReader(random)
		return u.String(), err
	}
	return storage.Watcher{Kinds: []string{Kind}, Decide: func(c storage.Change, settings []storage.Setting) ([]storage.Job, error) {
		all, err := of(c, id)
		if err != nil {
			return nil, err
		}
		var jobs []storage.Job
		for _, s := range settings {
			hook, err := read(s)
			if err != nil {
				return nil, err
			}
			for _, e := range all {
				if !hook.wants(e, c.Ref.Name) {
					continue
				}
				document, err := json.Marshal(delivery{Webhook: s.Key, Event: e})
				if err != nil {
					return nil, fmt.Errorf("write an event of image %s: %w", c.Digest, err)
				}
				jobs = append(jobs, storage.Job{Queue: Queue, Key: s.Key + "/" + e.ID, Document: string(document)})
			}
		}
		return jobs, nil
	}}
}
