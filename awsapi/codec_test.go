package awsapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/url"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
)

// everything has a member of every form there is.
type everything struct {
	Text    *string
	Enum    enum
	Flag    bool
	Maybe   *bool
	Int     *int32
	Long    int64
	Double  *float64
	Float   float32
	When    *time.Time
	Blob    []byte
	List    []string
	Structs []everything
	Map     map[string]string
	Deep    map[string]everything
	Self    *everything
	Union   any
}

type enum string

func everythingPlan(t testing.TB) *plan {
	t.Helper()
	lower := func(_, field string) string { return strings.ToLower(field[:1]) + field[1:] }
	p, err := (&planner{spell: lower, done: map[reflect.Type]*plan{}}).plan(reflect.TypeFor[everything]())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestJSONThatIsNotWellFormedOrNotOfTheTypeIsRefused(t *testing.T) {
	p := everythingPlan(t)
	for body, want := range map[string]string{
		``:                                "",
		" \r\n\t":                         "",
		`{}`:                              "",
		`null`:                            "",
		`{"text":"\u00e9\ud83d\ude00\/"}`: "",
		`{"text":"\ud83d alone"}`:         "",
		`{"double":1e3,"long":-0}`:        "",
		`{"double":"Infinity"}`:           "",
		`{"blob":"AP\/\/"}`:               "",
		`[]`:                              "Start of list found where not expected",
		`"x"`:                             "Unexpected value type in payload",
		`{} {}`:                           "Unexpected data after the end of the request",
		`{"a":1,}`:                        "Unexpected token received from parser",
		`{"a" 1}`:                         "Unexpected token received from parser",
		`{a:1}`:                           "Unexpected token received from parser",
		`{"a":01}`:                        "Unexpected token received from parser (at 'a')",
		`{"a":1.}`:                        "Unexpected token received from parser (at 'a')",
		`{"a":tru}`:                       "Unexpected token received from parser (at 'a')",
		`{"a":"b`:                         "Unexpected end of the request (at 'a')",
		`{"a":"b\`:                        "Unexpected end of the request (at 'a')",
		`{"a":"b\"`:                       "Unexpected end of the request (at 'a')",
		`{"a":[1,2`:                       "Unexpected end of the request (at 'a')",
		`{"text":"a` + "\n" + `"}`:        "A string holds a control character (at 'text')",
		`{"text":"\x"}`:                   "A string holds an escape that is none (at 'text')",
		`{"text":"\u12"}`:                 "A string holds an escape that is none (at 'text')",
		`{"text":1}`:                      "NUMBER_VALUE cannot be converted to String (at 'text')",
		`{"text":1.5}`:                    "DECIMAL_VALUE cannot be converted to String (at 'text')",
		`{"text":true}`:                   "TRUE_VALUE cannot be converted to String (at 'text')",
		`{"enum":false}`:                  "FALSE_VALUE cannot be converted to String (at 'enum')",
		`{"text":[]}`:                     "Start of list found where not expected (at 'text')",
		`{"text":{}}`:                     "Start of structure or map found where not expected (at 'text')",
		`{"flag":"true"}`:                 "STRING_VALUE cannot be converted to Boolean (at 'flag')",
		`{"int":"1"}`:                     "STRING_VALUE cannot be converted to Integer (at 'int')",
		`{"int":2147483648}`:              "NUMBER_VALUE cannot be converted to Integer (at 'int')",
		`{"int":1.0}`:                     "DECIMAL_VALUE cannot be converted to Integer (at 'int')",
		`{"long":9223372036854775808}`:    "NUMBER_VALUE cannot be converted to Long (at 'long')",
		`{"double":"1"}`:                  "STRING_VALUE cannot be converted to Double (at 'double')",
		`{"double":1e999}`:                "NUMBER_VALUE cannot be converted to Double (at 'double')",
		`{"when":"2026-11-23"}`:           "STRING_VALUE cannot be converted to Timestamp (at 'when')",
		`{"when":1e300}`:                  "NUMBER_VALUE cannot be converted to Timestamp (at 'when')",
		`{"blob":"not base64!"}`:          "A blob is not valid base64 (at 'blob')",
		`{"blob":7}`:                      "NUMBER_VALUE cannot be converted to Blob (at 'blob')",
		`{"list":"a"}`:                    "Unexpected field type (at 'list')",
		`{"map":"a"}`:                     "Unexpected field type (at 'map')",
		`{"map":{"k":1}}`:                 "NUMBER_VALUE cannot be converted to String (at 'map.k')",
		`{"self":{"structs":[{},{"list":["a",1]}]}}`:        "NUMBER_VALUE cannot be converted to String (at 'self.structs.2.member.list.2.member')",
		`{"union":{"a":1}}`:                                 "drydock does not take this parameter (at 'union')",
		`{"x":` + strings.Repeat("[", 200):                  "The request is nested more than 100 deep (at 'x" + strings.Repeat(".1.member", 99) + "')",
		`{"list":[` + strings.Repeat(`"",`, 1<<16) + `""]}`: "The request has more than 65536 elements (at 'list.65537.member')",
	} {
		var v everything
		got := ""
		if err := decodeJSON(p, []byte(body), reflect.ValueOf(&v).Elem()); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%.80s\n got  %.200s\n want %.200s", body, got, want)
		}
	}
}

func TestJSONOfEveryFormIsRead(t *testing.T) {
	var v everything
	body := `{"text":"\u00e9\ud83d\ude00\ud83d\u0041\"\n` + "\xff" + `","enum":"A","flag":true,"maybe":false,"int":-7,"long":9223372036854775807,"double":-1.5e-3,"float":0.5,
		"when":1795466700.123,"blob":"AP8=","list":[],"structs":[{"list":["a",null]}],"map":{"k":"v"},"deep":{"k":{"int":1}},"self":{"self":null}}`
	if err := decodeJSON(everythingPlan(t), []byte(body), reflect.ValueOf(&v).Elem()); err != nil {
		t.Fatal(err)
	}
	text, no, seven, milli, one := "é😀\uFFFDA\"\n\uFFFD", false, int32(-7), -0.0015, int32(1)
	when := time.Date(2026, 11, 23, 20, 45, 0, 123e6, time.UTC)
	want := everything{Text: &text, Enum: "A", Flag: true, Maybe: &no, Int: &seven, Long: math.MaxInt64, Double: &milli, Float: 0.5, When: &when,
		Blob: []byte{0, 255}, List: []string{}, Structs: []everything{{List: []string{"a", ""}}}, Map: map[string]string{"k": "v"},
		Deep: map[string]everything{"k": {Int: &one}}, Self: &everything{}}
	if d := difference(reflect.ValueOf(want), reflect.ValueOf(v), ""); d != "" {
		t.Error(d)
	}
	const again = `{"text":"é😀�A\"\n�","enum":"A","flag":true,"maybe":false,"int":-7,"long":9223372036854775807,"double":-0.0015,"float":0.5,"when":1795466700.123,"blob":"AP8=","list":[],"structs":[{"flag":false,"long":0,"float":0,"list":["a",""]}],"map":{"k":"v"},"deep":{"k":{"flag":false,"int":1,"long":0,"float":0}},"self":{"flag":false,"long":0,"float":0}}`
	if got := string(appendJSON(nil, everythingPlan(t), reflect.ValueOf(v))); got != again {
		t.Errorf("written as\n%s\nwant\n%s", got, again)
	}
}

func TestBlobsAreDecodedInPlace(t *testing.T) {
	p := everythingPlan(t)
	rng := rand.New(rand.NewPCG(3, 4))
	for n := range 2000 {
		want := make([]byte, n)
		for i := range want {
			want[i] = byte(rng.Uint32())
		}
		body := []byte(`{"blob":"` + base64.StdEncoding.EncodeToString(want) + `"}`)
		var v everything
		if err := decodeJSON(p, body, reflect.ValueOf(&v).Elem()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(v.Blob, want) || n > 0 && &v.Blob[0] != &body[9] {
			t.Fatalf("%d bytes: changed, or copied", n)
		}
	}
}

func TestFormsOfEveryKindAreRead(t *testing.T) {
	form := url.Values{}
	for name, value := range map[string]string{"text": "a+b", "enum": "A", "flag": "true", "int": "-7", "long": "8", "double": "1.5", "float": "0.5",
		"when": "2026-11-23T20:45:00.5Z", "blob": "AP8=", "list.member.10": "c", "list.member.2": "b", "list.member.1": "a", "list.member.x": "no", "list.member.-1": "no",
		"structs.member.1.list.member.1": "a", "map.entry.1.key": "k", "map.entry.1.value": "v", "map.entry.2.key": "empty", "map.entry.3.value": "no key",
		"deep.entry.1.key": "k", "deep.entry.1.value.int": "1", "self.flag": "false", "Action": "x", "new.member.1": "y"} {
		form.Set(name, value)
	}
	form.Set("self.list", "")
	var v everything
	if err := decodeForm(everythingPlan(t), form, reflect.ValueOf(&v).Elem()); err != nil {
		t.Fatal(err)
	}
	text, seven, half, one := "a+b", int32(-7), 1.5, int32(1)
	when := time.Date(2026, 11, 23, 20, 45, 0, 5e8, time.UTC)
	want := everything{Text: &text, Enum: "A", Flag: true, Int: &seven, Long: 8, Double: &half, Float: 0.5, When: &when, Blob: []byte{0, 255},
		List: []string{"a", "b", "c"}, Structs: []everything{{List: []string{"a"}}}, Map: map[string]string{"k": "v", "empty": ""},
		Deep: map[string]everything{"k": {Int: &one}}, Self: &everything{List: []string{}}}
	if d := difference(reflect.ValueOf(want), reflect.ValueOf(v), ""); d != "" {
		t.Error(d)
	}
	var b bytes.Buffer
	writeXML(&b, everythingPlan(t), reflect.ValueOf(v))
	const xml = `<text>a+b</text><enum>A</enum><flag>true</flag><int>-7</int><long>8</long><double>1.5</double><float>0.5</float><when>2026-11-23T20:45:00.5Z</when><blob>AP8=</blob><list><member>a</member><member>b</member><member>c</member></list><structs><member><flag>false</flag><long>0</long><float>0</float><list><member>a</member></list></member></structs><map><entry><key>empty</key><value></value></entry><entry><key>k</key><value>v</value></entry></map><deep><entry><key>k</key><value><flag>false</flag><int>1</int><long>0</long><float>0</float></value></entry></deep><self><flag>false</flag><long>0</long><float>0</float><list></list></self>`
	if b.String() != xml {
		t.Errorf("written as\n%s\nwant\n%s", &b, xml)
	}
}

func TestWhatIsKeptOfAFormDoesNotKeepTheWholeRequest(t *testing.T) {
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, kept := held(), make([]everything, 32)
	for i := range kept {
		form, err := parseForm("text=a&list.member.1=b&map.entry.1.key=k&map.entry.1.value=v&pad=" + strings.Repeat("x", 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		if err := decodeForm(everythingPlan(t), form, reflect.ValueOf(&kept[i]).Elem()); err != nil {
			t.Fatal(err)
		}
	}
	if after := held(); after > before+8<<20 {
		t.Errorf("%d MiB are held by a few letters", (after-before)>>20)
	}
	runtime.KeepAlive(kept)
}

func TestFormsOfTheWrongKindAreRefused(t *testing.T) {
	p := everythingPlan(t)
	for form, want := range map[string]string{
		"int=x":                         "STRING_VALUE cannot be converted to Integer (at 'int')",
		"flag=yes":                      "STRING_VALUE cannot be converted to Boolean (at 'flag')",
		"double=":                       "STRING_VALUE cannot be converted to Double (at 'double')",
		"when=1":                        "STRING_VALUE cannot be converted to Timestamp (at 'when')",
		"blob=*":                        "STRING_VALUE cannot be converted to Blob (at 'blob')",
		"text.member.1=a":               "Start of structure or map found where not expected (at 'text')",
		"structs.member.1.int=x":        "STRING_VALUE cannot be converted to Integer (at 'structs.1.member.int')",
		"deep.entry.1.value.int=x":      "STRING_VALUE cannot be converted to Integer (at 'deep.entry.1.value.int')",
		"union=x":                       "drydock does not take this parameter (at 'union')",
		strings.Repeat("a.", 100) + "=": "A parameter is nested more than 100 deep",
		"a=1;b=2":                       "The request is not well-formed form data",
		strings.Repeat("&", 1<<16+1):    "The request has more than 65536 parameters",
		manyBranches():                  "The request has more than 65536 elements",
	} {
		values, err := parseForm(form)
		if err == nil {
			var v everything
			err = decodeForm(p, values, reflect.ValueOf(&v).Elem())
		}
		if err == nil || err.Error() != want {
			t.Errorf("%.60s: got %v, want %s", form, err, want)
		}
	}
}

// manyBranches is few parameters with many parts each.
func manyBranches() string {
	var b strings.Builder
	for i := range 1000 {
		b.WriteString("p" + strings.Repeat("x", i) + strings.Repeat(".a", 90) + "=&")
	}
	return b.String()
}

func TestNumbersThatJSONHasNoFormForAreStrings(t *testing.T) {
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		in := everything{Double: &f}
		b := appendJSON(nil, everythingPlan(t), reflect.ValueOf(in))
		var back everything
		if err := decodeJSON(everythingPlan(t), b, reflect.ValueOf(&back).Elem()); err != nil || *back.Double != f && !math.IsNaN(f) {
			t.Errorf("%v became %s: %v", f, b, err)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{``, `{"text":"a\u00e9\"","int":1,"self":{"list":["a",null],"map":{"k":"v"}}}`, `{"blob":"AP\/8","when":1.5e9,"double":"NaN"}`, `{"x":[{},1e5,true]}`, `{"long":-0}`} {
		f.Add([]byte(s))
	}
	p := everythingPlan(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		original := bytes.Clone(body)
		var v everything
		if decodeJSON(p, body, reflect.ValueOf(&v).Elem()) != nil {
			return
		}
		if len(bytes.TrimSpace(original)) > 0 && !json.Valid(original) {
			t.Fatalf("accepted %q, which is not JSON", original)
		}
		written := appendJSON(nil, p, reflect.ValueOf(v))
		if !json.Valid(written) {
			t.Fatalf("wrote %q, which is not JSON", written)
		}
		var back everything
		if err := decodeJSON(p, bytes.Clone(written), reflect.ValueOf(&back).Elem()); err != nil {
			t.Fatalf("cannot read %q again: %v", written, err)
		}
		if again := appendJSON(nil, p, reflect.ValueOf(back)); !bytes.Equal(written, again) {
			t.Fatalf("%q became %q", written, again)
		}
	})
}

func FuzzForm(f *testing.F) {
	for _, s := range []string{"", "text=a%20b&list.member.1=x&list.member.3=y", "map.entry.1.key=k&map.entry.1.value=v", "self.structs.member.1.int=7&when=2026-11-23T20:45:00Z", "a..b.=&=&.="} {
		f.Add(s)
	}
	p := everythingPlan(f)
	f.Fuzz(func(t *testing.T, body string) {
		form, err := parseForm(body)
		if err != nil {
			return
		}
		var v everything
		if decodeForm(p, form, reflect.ValueOf(&v).Elem()) != nil {
			return
		}
		var b bytes.Buffer
		writeXML(&b, p, reflect.ValueOf(v))
		if !json.Valid(appendJSON(nil, p, reflect.ValueOf(v))) {
			t.Fatalf("%q has no JSON", body)
		}
	})
}

func BenchmarkDecodeBatchGetImage(b *testing.B) {
	p := inputPlan(b, "ecr", reflect.TypeFor[ecr.BatchGetImageInput]())
	body := []byte(`{"repositoryName":"team/demo","imageIds":[{"imageTag":"latest"},{"imageTag":"v1"}],"acceptedMediaTypes":["application/vnd.oci.image.manifest.v1+json"]}`)
	b.ReportAllocs()
	for b.Loop() {
		var in ecr.BatchGetImageInput
		if err := decodeJSON(p, body, reflect.ValueOf(&in).Elem()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeLayerPart(b *testing.B) {
	p := inputPlan(b, "ecr", reflect.TypeFor[ecr.UploadLayerPartInput]())
	body := []byte(`{"repositoryName":"team/demo","layerPartBlob":"` + strings.Repeat("abcd", 5<<20) + `"}`)
	work := make([]byte, len(body))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		copy(work, body) // it is decoded in place
		var in ecr.UploadLayerPartInput
		if err := decodeJSON(p, work, reflect.ValueOf(&in).Elem()); err != nil {
			b.Fatal(err)
		}
	}
}
