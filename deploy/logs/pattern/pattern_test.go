package pattern

import (
	"errors"
	"strings"
	"testing"
)

const trail = `{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another value"],
	"objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "some.dots": {"x": "y"}, "status": 404, "ratio": 1.5e3, "on": true, "off": false, "nothing": null}`

const access = `127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534`

func TestPatternsMeanWhatCloudWatchsDo(t *testing.T) {
	for _, c := range []struct{ pattern, message, want string }{
		{"", "anything", "yes"},
		{"  ", "anything", "yes"},
		{"ERROR", "[ERROR 400] BAD REQUEST", "yes"},
		{"ERROR", "error", "no"},
		{"ERROR ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", "yes"},
		{"ERROR ARGUMENTS", "ERROR 401 UNAUTHORIZED", "no"},
		{`"INTERNAL SERVER ERROR"`, "[ERROR 500] INTERNAL SERVER ERROR", "yes"},
		{`"INTERNAL SERVER ERROR"`, "INTERNAL  SERVER ERROR", "no"},
		{`"a \"b\" \\ c"`, `x a "b" \ c`, "yes"},
		{"?ERROR ?ARGUMENTS", "MISSING ARGUMENTS", "yes"},
		{"?ERROR ?ARGUMENTS", "fine", "no"},
		{`?"not there" ?"is here"`, "it is here", "yes"},
		{"ERROR -ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", "no"},
		{"ERROR -ARGUMENTS", "[ERROR 401] UNAUTHORIZED", "yes"},
		{`-"a b"`, "ab", "yes"},
		{`-"a b"`, "a b", "no"},
		{"?absent ERROR", "ERROR", "yes"},
		{"?absent -ERROR", "fine", "yes"},
		{"été", "un été", "yes"},
		{"%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", "yes"},
		{"%^[hc]at% -dog", "the cat", "no"},
		{"%[hc]at$% -dog", "the cat", "yes"},
		{`%10\.10\.0\.[0-9]{1,3}%`, "from 10.10.0.17", "yes"},
		{`?%gray|grey% ?x_y`, "it is grey", "yes"},

		{`{ $.eventType = "UpdateTrail" }`, trail, "yes"},
		{`{$.eventType="Update*"}`, trail, "yes"},
		{`{ $.eventType = "*Trail" }`, trail, "yes"},
		{`{ $.eventType = "U*e*l" }`, trail, "yes"},
		{`{ $.eventType = "U*x*l" }`, trail, "no"},
		{`{ $.eventType = %^Up% }`, trail, "yes"},
		{`{ $.eventType != %^Up% }`, trail, "no"},
		{`{ $.eventType = UpdateTrail }`, trail, "yes"},
		{`{ $.sourceIPAddress != 123.123.* }`, trail, "yes"},
		{`{ $.sourceIPAddress = 111.111.* }`, trail, "yes"},
		{`{ $.missing != "x" }`, trail, "no"},
		{`{ $.arrayKey[0] = "value" }`, trail, "yes"},
		{`{ $.arrayKey[2] = "value" }`, trail, "no"},
		{`{ $.arrayKey[*] = "another value" }`, trail, "yes"},
		{`{ $.objectList[1].id = 2 }`, trail, "yes"},
		{`{ $.objectList[*].id > 2 }`, trail, "no"},
		{`{ $.['some.dots'].x = "y" }`, trail, "error"},
		{`{ $['some.dots'].x = "y" }`, trail, "yes"},
		{`{ $.status >= 404 }`, trail, "yes"},
		{`{ $.status > 404 }`, trail, "no"},
		{`{ $.status = 4* }`, trail, "yes"},
		{`{ $.status != 404 }`, trail, "no"},
		{`{ $.status = "404" }`, trail, "no"},
		{`{ $.ratio = 1500 }`, trail, "yes"},
		{`{ $.ratio <= 1.5e3 && $.ratio < 1501 }`, trail, "yes"},
		{`{ $.on IS TRUE && $.off IS FALSE }`, trail, "yes"},
		{`{ $.on is false }`, trail, "no"},
		{`{ $.nothing IS NULL }`, trail, "yes"},
		{`{ $.missing IS NULL }`, trail, "no"},
		{`{ $.missing NOT EXISTS }`, trail, "yes"},
		{`{ $.nothing NOT EXISTS }`, trail, "no"},
		{`{ $.nothing EXISTS }`, trail, "yes"},
		{`{ ($.status = 500 || $.status = 404) && ($.on IS TRUE) }`, trail, "yes"},
		{`{ $.status = 404 || $.status = 500 && $.on IS FALSE }`, trail, "yes"},
		{`{ ($.status = 404 || $.status = 500) && $.on IS FALSE }`, trail, "no"},
		{`{ $.status = 404 }`, "status 404", "no"},
		{`{ $.status = 404 }`, `{"status": 404} and more`, "no"},
		{`{ $.status = 404 }`, `[404]`, "no"},
		{`{ $.status = 404 }`, `{"status":`, "no"},

		{`[ip, env, user, time, request, status, bytes]`, access, "yes"},
		{`[ip, env, user, time, request, status]`, access, "no"},
		{`[ip, env, user, time, request = "GET*", status = 4*, bytes > 1000]`, access, "yes"},
		{`[ip, env, user, time, request = *html*, status = 4*, bytes]`, access, "yes"},
		{`[..., status = 404, bytes]`, access, "yes"},
		{`[ip = 127.*, ..., bytes >= 2000]`, access, "no"},
		{`[ip=127.0.0.1, ...]`, access, "yes"},
		{`[..., request, status = 404 || status = 500, bytes < 2000 && bytes != 7]`, access, "yes"},
		{`[ip = %127\.0\.[0-9]{1,3}%, ...]`, access, "yes"},
		{`[ip, ..., status != 404, bytes]`, access, "no"},
		{`[..., (a = 1 || a = 1534)]`, access, "yes"},
		{`[a, , c]`, "1 2 3", "yes"},
		{`[...]`, "", "yes"},
		{`[a, ..., b]`, "one", "no"},

		{"foo.bar", "", "error"}, {`"open`, "", "error"}, {"?", "", "error"}, {"%open", "", "error"}, {"%a!b%", "", "error"}, {"%(a)%", "", "error"},
		{"%*%", "", "error"}, {"%a% %b% %c%", "", "error"}, {"%%", "", "error"}, {"%é%", "", "error"},
		{"{", "", "error"}, {"{}", "", "error"}, {"{ $.a }", "", "error"}, {"{ $.a = }", "", "error"}, {"{ a = 1 }", "", "error"}, {`{ $.a > "x" }`, "", "error"},
		{"{ $.a = 1 } x", "", "error"}, {"{ ($.a = 1 }", "", "error"}, {"{ $.a[x] = 1 }", "", "error"}, {"{ $.a IS MAYBE }", "", "error"}, {"{ $ = 1 }", "", "error"},
		{"{ $.a = 1 && }", "", "error"}, {"{ $.a ~ 1 }", "", "error"}, {"{ $.a[0 = 1 }", "", "error"}, {"{ $.a['x = 1 }", "", "error"},
		{"[a", "", "error"}, {"[..., ...]", "", "error"}, {"[a = ]", "", "error"}, {"[a > x]", "", "error"}, {"[a b]", "", "error"},
		{"{" + strings.Repeat("(", 200), "", "error"},
	} {
		m, err := Compile(c.pattern)
		got := "error"
		var wrong *SyntaxError
		switch {
		case errors.As(err, &wrong):
			if wrong.At < 0 || wrong.At > len(c.pattern) {
				t.Errorf("%q: %v lies outside", c.pattern, err)
			}
		case err != nil:
			t.Errorf("%q: %v", c.pattern, err)
		case m == nil || m(c.message):
			got = "yes"
		default:
			got = "no"
		}
		if got != c.want {
			t.Errorf("%s on %q: %s, want %s (%v)", c.pattern, c.message, got, c.want, err)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, p := range []string{"ERROR -x ?y", `"a b" %c+%`, `{ ($.a[0].b = "x*" || $.c > 1) && $.d NOT EXISTS }`, "[a, b = 4*, ..., c < 5]", "{ $['a'] IS NULL }"} {
		f.Add(p, trail)
		f.Add(p, access)
	}
	f.Fuzz(func(t *testing.T, text, message string) {
		m, err := Compile(text)
		var wrong *SyntaxError
		if err != nil && (!errors.As(err, &wrong) || wrong.At < 0 || wrong.At > len(text)) {
			t.Errorf("%v", err)
		}
		if err == nil && m != nil {
			m(message)
		}
	})
}
