//go:build linux

package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// The root key of the drydock under test.
const (
	keyID  = "AKIAIOSFODNN7EXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// place is where both servers keep their blobs.
type place struct {
	title string // in the table
	dir   string
	s3    *objectStore // nil for files in the folder
	db    *database    // nil for a file in the folder
}

const drydockBucket, stockBucket = "drydock", "stock"

// newDrydock is drydock as it comes, or that many replicas of it.
func newDrydock(o options, p place, replicas int) *server {
	s := &server{name: "drydock", log: &tail{}, s3: p.s3, bucket: drydockBucket, db: p.db}
	for range replicas {
		s.addresses = append(s.addresses, freeAddress())
	}
	s.plain, s.secure = s.addresses, s.addresses[0]
	env := []string{"HOME=" + p.dir, "DRYDOCK_ROOT_ACCESS_KEY_ID=" + keyID, "DRYDOCK_ROOT_SECRET_ACCESS_KEY=" + secret}
	var more []string
	if p.s3 != nil {
		more = append(more, "--blobs", fmt.Sprintf("s3://%s?endpoint=http://%s&region=%s&path-style=true", s.bucket, p.s3.address, s3Region))
		env = append(env, "DRYDOCK_S3_ACCESS_KEY_ID="+s3KeyID, "DRYDOCK_S3_SECRET_ACCESS_KEY="+s3Secret)
	}
	if p.db != nil {
		env = append(env, "DRYDOCK_DB="+p.db.url, "DRYDOCK_SEAL_KEY="+base64.StdEncoding.EncodeToString(make([]byte, 32)))
	}
	s.commands = func() []*exec.Cmd {
		var cmds []*exec.Cmd
		for i, address := range s.addresses {
			data := filepath.Join(p.dir, fmt.Sprintf("drydock-%d", i))
			cmd := exec.Command(o.drydock, append([]string{"serve", "--data", data, "--listen", address, "--log-level", "error", "--image-tags", "none", "--engine", "none"}, more...)...)
			cmd.Env = env
			cmds = append(cmds, cmd)
		}
		return cmds
	}
	return s
}

// newStock is the stock registry as its own image configures it, less the access
// log, the traces it would export, and what else it says. On S3 it does not
// redirect, for then pulls would not pass through it.
func newStock(o options, p place) (*server, error) {
	cert, key, err := certificate(p.dir)
	if err != nil {
		return nil, err
	}
	plain, secure := freeAddress(), freeAddress()
	s := &server{name: "stock", addresses: []string{plain, secure}, plain: []string{plain}, secure: secure, log: &tail{}, s3: p.s3, bucket: stockBucket}
	configs := make([]string, 2)
	for i, tls := range []string{"", fmt.Sprintf(", tls: {certificate: %q, key: %q}", cert, key)} {
		storage := fmt.Sprintf("filesystem: {rootdirectory: %q}", filepath.Join(p.dir, fmt.Sprintf("stock-%d", i)))
		if p.s3 != nil {
			storage = fmt.Sprintf("redirect: {disable: true}\n  s3: {region: %s, regionendpoint: %q, forcepathstyle: true, bucket: %s, rootdirectory: /%d, accesskey: %s, secretkey: %s}",
				s3Region, "http://"+p.s3.address, s.bucket, i, s3KeyID, s3Secret)
		}
		configs[i] = filepath.Join(p.dir, fmt.Sprintf("stock-%d.yml", i))
		text := fmt.Sprintf(`version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  cache: {blobdescriptor: inmemory}
  delete: {enabled: true}
  %s
http: {addr: %q, secret: bench%s}
`, storage, s.addresses[i], tls)
		if err := os.WriteFile(configs[i], []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	s.commands = func() []*exec.Cmd {
		var cmds []*exec.Cmd
		for _, config := range configs {
			cmd := exec.Command(o.stock, "serve", config)
			cmd.Env = []string{"HOME=" + p.dir, "OTEL_TRACES_EXPORTER=none", "OTEL_SDK_DISABLED=true"}
			cmds = append(cmds, cmd)
		}
		return cmds
	}
	return s, nil
}
