package config

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"drydock/internal/diskroom"

	"drydock/internal/datadir"
)

func home(k string) string { return map[string]string{"HOME": "/home/u"}[k] }

// load reads a configuration as a command does. file may be empty.
func load(t *testing.T, args, environ []string, file string) (Config, error) {
	t.Helper()
	if file != "" {
		path := filepath.Join(t.TempDir(), "drydock.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	source := Bind(flags, environ, Default(home))
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return source.Load(Default(home))
}

func TestWithoutBeingToldAnything(t *testing.T) {
	got, err := load(t, nil, []string{"PATH=/bin", "DRYDOCK_LISTEN="}, "")
	want := Config{
		Data: "/home/u/.local/share/drydock", Listen: []string{"127.0.0.1:5000"},
		Account: "123456789012", Region: "us-east-1",
		LogFormat: "text", LogLevel: "info", UploadExpiry: 24 * time.Hour, GCGrace: 24 * time.Hour, GCTrash: 7 * 24 * time.Hour, ScrubPeriod: 30 * 24 * time.Hour, Engine: EngineAuto,
		RepositoryQuota: Quota{Images: 100_000}, RegistryRepositories: 100_000, ImageTags: 1000,
		DiskWatermark: diskroom.Watermark{Bytes: 1 << 30, Percent: 2},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestFlagsGoBeforeTheEnvironmentBeforeTheFileBeforeDefaults(t *testing.T) {
	file := "region: eu-west-1\naccount: 0123456789\nlog-level: warn\nlisten: [127.0.0.1:1, 127.0.0.1:2]\n"
	env := []string{"DRYDOCK_REGION=eu-west-2", "DRYDOCK_LOG_LEVEL=error", "DRYDOCK_ALLOW_PLAIN_HTTP=true"}
	got, err := load(t, []string{"--region", "eu-west-3", "--allow-plain-http=false"}, env, file)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]any{
		"flag over variable and file": {got.Region, "eu-west-3"},
		"variable over file":          {got.LogLevel, "error"},
		"file over default":           {got.Account, "0123456789"},
		"a list in the file":          {got.Listen, []string{"127.0.0.1:1", "127.0.0.1:2"}},
		"default":                     {got.LogFormat, "text"},
		"a flag set back to false":    {got.AllowPlainHTTP, false},
	} {
		if !reflect.DeepEqual(c[0], c[1]) {
			t.Errorf("%s: got %v, want %v", name, c[0], c[1])
		}
	}
}

// TestEverySettingCanBeToldInAllThreeWays goes through the table, so that no
// setting is added to one way and forgotten in another.
func TestEverySettingCanBeToldInAllThreeWays(t *testing.T) {
	values := map[string]string{
		"blobs": "s3://layers/of/mine?region=eu-west-1&path-style=true", "redirect": "true",
		"db":   "postgres://drydock@records.example/drydock",
		"data": "/d", "listen": "0.0.0.0:443", "account": "1234567890", "region": "eu-west-1",
		"registry-host": "aws", "log-format": "json", "log-level": "debug", "allow-plain-http": "true",
		"tls-cert": "/c", "tls-key": "/k", "pprof": "127.0.0.1:6060", "upload-expiry": "90m", "gc-grace": "2h", "gc-trash": "48h", "scrub-period": "240h",
		"guardrail": "/g", "iam": "/i", "engine": "unix:///e.sock", "allow-privileged-tasks": "true",
		"account-quota": "bytes=1.5TiB,images=100000", "repository-quota": "images=7", "registry-repositories": "8", "image-tags": "none", "disk-watermark": "5%,10GiB",
	}
	var args, env []string
	var file strings.Builder
	for _, def := range settings() {
		v, ok := values[def.name]
		if !ok {
			t.Errorf("this test has no value for %s", def.name)
			continue
		}
		args = append(args, "--"+def.name+"="+v)
		env = append(env, variable(def.name)+"="+v)
		file.WriteString(def.name + ": " + v + "\n")
	}
	want := Config{
		Data: "/d", Blobs: Blobs{Bucket: "layers", Prefix: "of/mine", Region: "eu-west-1", PathStyle: true}, Redirect: true,
		DB:     DB{URL: "postgres://drydock@records.example/drydock"},
		Listen: []string{"0.0.0.0:443"}, Account: "1234567890", Region: "eu-west-1",
		RegistryHost: "aws", LogFormat: "json", LogLevel: "debug", AllowPlainHTTP: true,
		TLSCert: "/c", TLSKey: "/k", Pprof: "127.0.0.1:6060", UploadExpiry: 90 * time.Minute, GCGrace: 2 * time.Hour, GCTrash: 48 * time.Hour, ScrubPeriod: 240 * time.Hour,
		Guardrail: "/g", IAM: "/i", Engine: "unix:///e.sock", PrivilegedTasks: true,
		AccountQuota: Quota{Bytes: 3 << 39, Images: 100000}, RepositoryQuota: Quota{Images: 7}, RegistryRepositories: 8,
		DiskWatermark: diskroom.Watermark{Bytes: 10 << 30, Percent: 5},
	}
	for way, read := range map[string]func() (Config, error){
		"flags":     func() (Config, error) { return load(t, args, nil, "") },
		"variables": func() (Config, error) { return load(t, nil, env, "") },
		"file":      func() (Config, error) { return load(t, nil, nil, file.String()) },
	} {
		if got, err := read(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v", way, got, err)
		}
	}
}

func TestSeveralAddresses(t *testing.T) {
	want := []string{"127.0.0.1:5000", "[::1]:443"}
	byFlag, err := load(t, []string{"--listen", want[0], "--listen", want[1]}, []string{"DRYDOCK_LISTEN=10.0.0.1:1"}, "")
	if err != nil || !reflect.DeepEqual(byFlag.Listen, want) {
		t.Errorf("by flag: %v, %v", byFlag.Listen, err)
	}
	byVariable, err := load(t, nil, []string{"DRYDOCK_LISTEN=" + strings.Join(want, ", ")}, "")
	if err != nil || !reflect.DeepEqual(byVariable.Listen, want) {
		t.Errorf("by variable: %v, %v", byVariable.Listen, err)
	}
}

func TestAccountsAndRootKey(t *testing.T) {
	file := `
accounts:
  - id: 0222233334
    access_key_id: AKIATWO
    secret_access_key: two+/=
  - {id: "333344445555", access_key_id: AKIATHREE, secret_access_key: three}
`
	got, err := load(t, nil, []string{"DRYDOCK_ROOT_ACCESS_KEY_ID=AKIAONE", "DRYDOCK_ROOT_SECRET_ACCESS_KEY=one"}, file)
	if err != nil {
		t.Fatal(err)
	}
	if want := (datadir.Key{AccessKeyID: "AKIAONE", SecretAccessKey: "one"}); got.RootKey != want {
		t.Errorf("root key %+v", got.RootKey)
	}
	if want := []Account{{"0222233334", "AKIATWO", "two+/="}, {"333344445555", "AKIATHREE", "three"}}; !reflect.DeepEqual(got.Accounts, want) {
		t.Errorf("accounts %+v", got.Accounts)
	}
}

func TestWhatIsWrongIsSaidWithItsPlace(t *testing.T) {
	for name, c := range map[string]struct {
		args, env []string
		file      string
		want      string
	}{
		"a misspelt variable":            {env: []string{"DRYDOCK_LISTENS=x"}, want: "DRYDOCK_LISTENS is not one that drydock knows; did you mean DRYDOCK_LISTEN?"},
		"a variable like none":           {env: []string{"DRYDOCK_COLOUR_OF_THE_SKY=blue"}, want: "DRYDOCK_COLOUR_OF_THE_SKY is not one that drydock knows"},
		"a port that is no link":         {env: []string{"DRYDOCK_PORT=5000"}, want: "DRYDOCK_PORT is not one that drydock knows"},
		"a misspelt key":                 {file: "region: eu-west-1\nacount: 1\n", want: "line 2: acount: it is not a setting that drydock knows; did you mean account?"},
		"a key set twice":                {file: "region: eu-west-1\nregion: eu-west-2\n", want: "line 2: region is set twice"},
		"a file that is no mapping":      {file: "- region\n", want: "line 1: want settings"},
		"a file that is no YAML":         {file: "region: [\n", want: "line 1: did not find"},
		"a list for one value":           {file: "region: [a, b]\n", want: "line 1: region: want one value"},
		"an empty value":                 {file: "data:\n", want: "line 1: data: want one value"},
		"an empty list":                  {file: "listen: []\n", want: "line 1: listen: want a value or a list"},
		"a bad account":                  {args: []string{"--account", "12"}, want: `--account: "12" is not an account id`},
		"a bad account in a variable":    {env: []string{"DRYDOCK_ACCOUNT=12"}, want: `DRYDOCK_ACCOUNT: "12" is not an account id`},
		"a bad region":                   {args: []string{"--region", "mars"}, want: `--region: "mars" is not the name of a region`},
		"an address without a port":      {args: []string{"--listen", "127.0.0.1"}, want: "--listen: \"127.0.0.1\" is not an address of the form host:port"},
		"a port out of range":            {args: []string{"--listen", "127.0.0.1:70000"}, want: "--listen"},
		"an unknown log format":          {args: []string{"--log-format", "xml"}, want: `--log-format: "xml" is not one of text, json`},
		"neither true nor false":         {env: []string{"DRYDOCK_ALLOW_PLAIN_HTTP=maybe"}, want: "DRYDOCK_ALLOW_PLAIN_HTTP: \"maybe\" is neither true nor false"},
		"half a certificate":             {args: []string{"--tls-cert", "/c"}, want: "--tls-cert and --tls-key belong together"},
		"profiles for everybody":         {args: []string{"--pprof", "0.0.0.0:6060"}, want: "--pprof: \"0.0.0.0:6060\" is not a loopback address"},
		"an expiry of no time":           {args: []string{"--upload-expiry", "0s"}, want: "--upload-expiry"},
		"a registry host with a path":    {args: []string{"--registry-host", "a/b"}, want: "registry host"},
		"half a root key":                {env: []string{"DRYDOCK_ROOT_ACCESS_KEY_ID=AKIA"}, want: "belong together"},
		"a root key id with a slash":     {env: []string{"DRYDOCK_ROOT_ACCESS_KEY_ID=a/b", "DRYDOCK_ROOT_SECRET_ACCESS_KEY=s"}, want: "is not an access key id"},
		"an account without a key":       {file: "accounts: [{id: '222233334444'}]\n", want: "accounts: 222233334444"},
		"an account with a strange key":  {file: "accounts: [{id: '222233334444', secret: s}]\n", want: "line 1: secret: an account has id"},
		"the default account once more":  {file: "accounts: [{id: '123456789012', access_key_id: A, secret_access_key: s}]\n", want: "is the default account"},
		"an account twice":               {file: "accounts: [{id: '222233334444', access_key_id: A, secret_access_key: s}, {id: '222233334444', access_key_id: B, secret_access_key: s}]\n", want: "listed twice"},
		"a file that is not there":       {args: []string{"--config", "/nowhere/x.yaml"}, want: "check --config"},
		"a file that is not there (env)": {env: []string{"DRYDOCK_CONFIG=/nowhere/x.yaml"}, want: "check --config"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := load(t, c.args, c.env, c.file)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v (%+v), want %q", err, got, c.want)
			} else if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestVariablesOfContainerLinksAreNotTakenForSettings(t *testing.T) {
	if _, err := load(t, nil, []string{
		"DRYDOCK_SERVICE_HOST=10.0.0.1", "DRYDOCK_SERVICE_PORT=5000", "DRYDOCK_SERVICE_PORT_HTTP=5000",
		"DRYDOCK_PORT=tcp://10.0.0.1:5000", "DRYDOCK_PORT_5000_TCP=tcp://10.0.0.1:5000",
		"DRYDOCK_PORT_5000_TCP_ADDR=10.0.0.1", "DRYDOCK_PORT_5000_TCP_PORT=5000", "DRYDOCK_PORT_5000_TCP_PROTO=tcp",
	}, ""); err != nil {
		t.Error(err)
	}
}

func TestAnEmptyFileIsFine(t *testing.T) {
	for _, file := range []string{"# nothing yet\n", "---\n", "~\n"} {
		if _, err := load(t, nil, nil, file); err != nil {
			t.Errorf("%q: %v", file, err)
		}
	}
}

func TestWithoutAHomeFolderDataMustBeNamed(t *testing.T) {
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	nobody := Default(func(string) string { return "" })
	source := Bind(flags, nil, nobody)
	if _, err := source.Load(nobody); err == nil || !strings.Contains(err.Error(), "--data") {
		t.Errorf("got %v", err)
	}
	if err := flags.Parse([]string{"--data", "/d"}); err != nil {
		t.Fatal(err)
	}
	if c, err := source.Load(nobody); err != nil || c.Data != "/d" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestPlainRegistryHost(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:5000": "localhost:5000", "0.0.0.0:5000": "localhost:5000", "[::]:443": "localhost:443",
		"[::1]:5000": "localhost:5000", "192.168.1.5:5000": "192.168.1.5:5000", "[fd00::1]:5000": "[fd00::1]:5000",
	} {
		a, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if got := PlainRegistryHost(a); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

func TestCommandsThatLookAtAServerLetUnknownVariablesPass(t *testing.T) {
	source := Bind(pflag.NewFlagSet("env", pflag.ContinueOnError), []string{"DRYDOCK_COLOUR=red", "DRYDOCK_REGION=eu-west-1"}, Default(home), "data")
	source.Lenient = true
	if c, err := source.Load(Default(home)); err != nil || c.Region != "eu-west-1" {
		t.Errorf("got %+v, %v", c, err)
	}
}
