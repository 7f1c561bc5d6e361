// Renders the cases on standard input by Go's own text/template, with the types that Ollama hands to templates (its api/types.go).
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"
)

type arguments map[string]any

func (a arguments) String() string { return text(map[string]any(a)) }

type propertyType []string

func (p propertyType) String() string {
	if len(p) == 1 {
		return p[0]
	}
	return fmt.Sprintf("%v", []string(p))
}

func (p propertyType) MarshalJSON() ([]byte, error) {
	if len(p) == 1 {
		return json.Marshal(p[0])
	}
	return json.Marshal([]string(p))
}

func (p *propertyType) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*p = propertyType{one}
		return nil
	}
	var all []string
	err := json.Unmarshal(data, &all)
	*p = all
	return err
}

type property struct {
	AnyOf       []property   `json:"anyOf,omitempty"`
	Type        propertyType `json:"type,omitempty"`
	Items       any          `json:"items,omitempty"`
	Description string       `json:"description,omitempty"`
	Enum        []any        `json:"enum,omitempty"`
}

type parameters struct {
	Type       string              `json:"type"`
	Required   []string            `json:"required,omitempty"`
	Properties map[string]property `json:"properties"`
}

func (p parameters) String() string { return text(p) }

type toolFunction struct {
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	Parameters  parameters `json:"parameters"`
}

func (f toolFunction) String() string { return text(f) }

type tool struct {
	Type     string       `json:"type"`
	Items    any          `json:"items,omitempty"`
	Function toolFunction `json:"function"`
}

func (t tool) String() string { return text(t) }

type tools []tool

func (t tools) String() string { return text(t) }

type call struct {
	ID       string `json:"id,omitempty"`
	Function struct {
		Index     int       `json:"index"`
		Name      string    `json:"name"`
		Arguments arguments `json:"arguments"`
	} `json:"function"`
}

type message struct {
	Role, Content, Thinking string
	Images                  [][]byte
	ToolCalls               []call
	ToolName, ToolCallID    string
}

type testCase struct {
	Template string
	Data     struct {
		System, Prompt, Response, Suffix *string
		Messages                         []*message
		Tools                            tools
		Think, IsThinkSet                bool
		ThinkLevel                       string
	}
}

func text(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func render(c testCase) (string, error) {
	functions := template.FuncMap{
		"json":             text,
		"currentDate":      func() string { return "2026-11-30" },
		"yesterdayDate":    func() string { return "2026-11-29" },
		"toTypeScriptType": func(any) string { return "any" },
	}
	parsed, err := template.New("").Option("missingkey=zero").Funcs(functions).Parse(c.Template)
	if err != nil {
		return "", err
	}
	given := c.Data
	data := map[string]any{"Think": given.Think, "ThinkLevel": given.ThinkLevel, "IsThinkSet": given.IsThinkSet}
	for name, value := range map[string]*string{
		"System": given.System, "Prompt": given.Prompt, "Response": given.Response, "Suffix": given.Suffix,
	} {
		if value != nil {
			data[name] = *value
		}
	}
	if given.Messages != nil {
		data["Messages"] = given.Messages
		data["Tools"] = given.Tools
	}
	var rendered bytes.Buffer
	err = parsed.Execute(&rendered, data)
	return rendered.String(), err
}

// A text for each case; null where Go refuses it.
func main() {
	var cases []testCase
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	texts := make([]*string, len(cases))
	for index, c := range cases {
		rendered, err := render(c)
		if err == nil {
			texts[index] = &rendered
		} else {
			fmt.Fprintln(os.Stderr, strings.SplitN(err.Error(), "\n", 2)[0])
		}
	}
	json.NewEncoder(os.Stdout).Encode(texts)
}
