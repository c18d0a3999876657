package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"drydock/awsapi/constraints"
)

const demo = `{
"metadata":{"apiVersion":"2020-01-01","protocol":"json","jsonVersion":"1.1","targetPrefix":"Demo_2020","endpointPrefix":"api.demo","signingName":"demo"},
"operations":{"Make":{"input":{"shape":"MakeRequest"},"output":{"shape":"MakeResponse"}},"Look":{}},
"shapes":{
"MakeRequest":{"type":"structure","required":["name"],"members":{"name":{"shape":"Name"},"account":{"shape":"Account"},"note":{"shape":"Note"},"self":{"shape":"MakeRequest"}}},
"MakeResponse":{"type":"structure","members":{"ARN":{"shape":"Note"}}},
"Name":{"type":"string","pattern":"PATTERN"},
"Account":{"type":"string","pattern":"\\d{12}"},
"Note":{"type":"string"},
"GoneException":{"type":"structure","members":{"message":{"shape":"Note"}},"exception":true,"error":{"code":"Gone","httpStatusCode":404}}
}}`

// tableOf makes the table of the demo service, whose names follow a pattern.
func tableOf(t *testing.T, pattern string, s service) (*table, []string, error) {
	t.Helper()
	m := new(model)
	escaped, _ := json.Marshal(pattern)
	text := strings.Replace(demo, `"PATTERN"`, string(escaped), 1)
	if err := json.Unmarshal([]byte(text), m); err != nil {
		t.Fatal(err)
	}
	return tabulate(s, m)
}

func TestATableHoldsWhatTheModelSaysOfValues(t *testing.T) {
	tab, notes, err := tableOf(t, "[a-z]+", service{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := tab.lines()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
"signingName":"demo",
"protocol":"json",
"targetPrefix":"Demo_2020",
"version":"2020-01-01",
"lowerCamel":true,
"message":"message",
"validationCode":"",
"style":"",
"operations":{
"Look":"",
"Make":"MakeRequest"
},
"exceptions":{
"Gone":{"status":404}
},
"spelling":{
"MakeOutput":{"ARN":"ARN"},
"MakeResponse":{"ARN":"ARN"}
},
"shapes":{
"Account":{"type":"string","pattern":"[0-9]{10,12}"},
"MakeRequest":{"type":"structure","members":["name:Name!","account:Account","self:MakeRequest"]},
"Name":{"type":"string","pattern":"[a-z]+"}
}
}
`
	if string(b) != want {
		t.Errorf("got\n%s\nwant\n%s", b, want)
	}
	if !slices.Equal(notes, []string{"Account: account ids have 10 to 12 digits"}) {
		t.Errorf("notes %q", notes)
	}
	var back constraints.Facts
	if err := json.Unmarshal(b, &back); err != nil || !back.Shapes["MakeRequest"].Members[0].Required {
		t.Errorf("it does not read back: %v", err)
	}
}

func TestPatternsThatGoCannotReadStopTheGenerator(t *testing.T) {
	change := func(p pattern) service { return service{patterns: map[string]pattern{"Name": p}} }
	for name, c := range map[string]struct {
		pattern         string
		service         service
		shown, compiled string
		refused         bool
	}{
		"a plain one":                           {pattern: `[\w-_]*`, shown: `[\w-_]*`},
		"a code point":                          {pattern: `[\u0009-\u00FF]`, shown: `[\u0009-\u00FF]`, compiled: `[\x{0009}-\x{00FF}]`},
		"a code point of perhaps five digits":   {pattern: `[\u10000]`, refused: true},
		"half a surrogate pair":                 {pattern: `[\uD800]`, refused: true},
		"a look ahead":                          {pattern: `a(?!b)`, refused: true},
		"a look ahead that is not checked":      {pattern: `a(?!b)`, service: change(pattern{compiled: skip})},
		"a look ahead that is written for Go":   {pattern: `a(?!b)`, service: change(pattern{compiled: "a"}), shown: `a(?!b)`, compiled: "a"},
		"a rule that drydock has another for":   {pattern: `a`, service: change(pattern{text: "b"}), shown: "b"},
		"a change of a shape that is not there": {pattern: `a`, service: service{patterns: map[string]pattern{"Gone": {text: "b"}}}, refused: true},
	} {
		tab, _, err := tableOf(t, c.pattern, c.service)
		if (err != nil) != c.refused {
			t.Errorf("%s: error %v", name, err)
		} else if err == nil && (tab.Shapes["Name"].Pattern != c.shown || tab.Shapes["Name"].Compiled != c.compiled) {
			t.Errorf("%s: shown %q, compiled %q", name, tab.Shapes["Name"].Pattern, tab.Shapes["Name"].Compiled)
		}
	}
}

func TestTheShippedTablesAreThoseOfTheServicesListed(t *testing.T) {
	files, err := filepath.Glob("../tables/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, s := range services {
		want = append(want, filepath.Join("..", "tables", s.dir+".json"))
	}
	slices.Sort(want)
	if !slices.Equal(files, want) {
		t.Errorf("tables %q, services %q", files, want)
	}
}

func TestTheNewestModelIsRead(t *testing.T) {
	dir := t.TempDir()
	for version, text := range map[string]string{"2019-01-01": `{"metadata":{"apiVersion":"old"}}`, "2020-01-01": demo} {
		folder := filepath.Join(dir, "data", "demo", version)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "service-2.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m, err := readModel(dir, "demo")
	if err != nil || m.Metadata.APIVersion != "2020-01-01" {
		t.Errorf("read %+v, %v", m, err)
	}
	if _, err := readModel(dir, "none"); err == nil {
		t.Error("a service without a model was read")
	}
}
