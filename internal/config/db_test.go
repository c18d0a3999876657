package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestWhereRecordsAreKept(t *testing.T) {
	const whole = "postgres://drydock:pass%2Fword@records.example:5433/drydock?sslmode=verify-full&pool_max_conns=10"
	for name, c := range map[string]struct {
		args, env []string
		file      string
		want      DB
	}{
		"nothing said":                {},
		"sqlite":                      {args: []string{"--db", "sqlite"}},
		"sqlite again":                {file: "db: " + whole + "\n", args: []string{"--db", "sqlite"}},
		"a password in the variable":  {env: []string{"DRYDOCK_DB=" + whole}, want: DB{whole}},
		"a password in the file":      {file: "db: " + whole + "\n", want: DB{whole}},
		"none in the argument":        {args: []string{"--db", "postgresql://drydock@records.example/drydock"}, want: DB{"postgresql://drydock@records.example/drydock"}},
		"two servers of one database": {args: []string{"--db", "postgres://drydock@one.example:5432,two.example:5432/drydock"}, want: DB{"postgres://drydock@one.example:5432,two.example:5432/drydock"}},
		"a socket":                    {args: []string{"--db", "postgres:///drydock?host=/run/postgresql"}, want: DB{"postgres:///drydock?host=/run/postgresql"}},
	} {
		got, err := load(t, c.args, c.env, c.file)
		if err != nil || got.DB != c.want {
			t.Errorf("%s: got %+v, %v", name, got.DB, err)
		}
		if got.DB.Shared() != (c.want.URL != "") {
			t.Errorf("%s: shared is %t", name, got.DB.Shared())
		}
	}
}

func TestAPasswordOfADatabaseIsNotShown(t *testing.T) {
	const secret = "hunter2"
	for _, url := range []string{
		"postgres://drydock:" + secret + "@records.example/drydock?sslmode=disable",
		"postgres://drydock@records.example/drydock?password=" + secret,
		"postgres://drydock@records.example/drydock?sslkey=k&sslpassword=" + secret,
	} {
		c, err := load(t, nil, []string{"DRYDOCK_DB=" + url}, "")
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		for _, shown := range []string{c.DB.String(), fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), settingNamed(t, "db").show(c)} {
			if strings.Contains(shown, secret) || !strings.Contains(shown, "postgres://drydock@records.example/drydock") {
				t.Errorf("%s is shown as %s", url, shown)
			}
		}
		// Lists of processes show arguments, whichever of them is the one that counts.
		for _, args := range [][]string{{"--db", url}, {"--db=" + url, "--db=sqlite"}} {
			if _, err := load(t, args, nil, ""); err == nil || strings.Contains(err.Error(), secret) || !strings.HasPrefix(err.Error(), "--db: a password does not belong") {
				t.Errorf("%v: %v", args, err)
			}
		}
	}
}

func settingNamed(t *testing.T, name string) setting {
	t.Helper()
	for _, s := range settings() {
		if s.name == name {
			return s
		}
	}
	t.Fatalf("there is no setting %s", name)
	return setting{}
}

func TestWhatIsWrongWithADatabaseIsSaid(t *testing.T) {
	for db, want := range map[string]string{
		"postgres":                             `"postgres" is neither sqlite nor the URL of a PostgreSQL database, postgres://USER`,
		"mysql://drydock:secret@records":       "it is neither sqlite nor",
		"host=records password=secret":         "neither sqlite nor",
		"//drydock:secret@records.example":     "neither sqlite nor",
		"postgres://drydock:sec/ret@records/d": "what is special in a URL is written as %XX",
		"postgres://drydock:sec%ret@records/d": "what is special in a URL is written as %XX",
	} {
		_, err := load(t, nil, []string{"DRYDOCK_DB=" + db}, "")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sec") {
			t.Errorf("%s: got %v, want %q", db, err, want)
		}
	}
}
