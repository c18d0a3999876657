//go:build linux

package main

import (
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
}

const drydockBucket, stockBucket = "drydock", "stock"

func newDrydock(o options, p place) *server {
	s := &server{name: "drydock", plain: freeAddress(), log: &tail{}, s3: p.s3, bucket: drydockBucket}
	s.secure = s.plain
	args := []string{"serve", "--data", filepath.Join(p.dir, "drydock"), "--listen", s.plain, "--log-level", "error"}
	env := []string{"HOME=" + p.dir, "DRYDOCK_ROOT_ACCESS_KEY_ID=" + keyID, "DRYDOCK_ROOT_SECRET_ACCESS_KEY=" + secret}
	if p.s3 != nil {
		args = append(args, "--blobs", fmt.Sprintf("s3://%s?endpoint=http://%s&region=%s&path-style=true", s.bucket, p.s3.address, s3Region))
		env = append(env, "DRYDOCK_S3_ACCESS_KEY_ID="+s3KeyID, "DRYDOCK_S3_SECRET_ACCESS_KEY="+s3Secret)
	}
	s.commands = func() []*exec.Cmd {
		cmd := exec.Command(o.drydock, args...)
		cmd.Env = env
		return []*exec.Cmd{cmd}
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
	s := &server{name: "stock", plain: freeAddress(), secure: freeAddress(), log: &tail{}, s3: p.s3, bucket: stockBucket}
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
`, storage, []string{s.plain, s.secure}[i], tls)
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
