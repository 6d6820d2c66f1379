package main

import (
	"errors"

	lua "github.com/yuin/gopher-lua"
)

// libraries are those that Argo CD opens to a script: no files, no processes.
var libraries = map[string]lua.LGFunction{
	lua.BaseLibName:   lua.OpenBase,
	lua.TabLibName:    lua.OpenTable,
	lua.StringLibName: lua.OpenString,
}

// runHealth runs a script for an object, which it finds as `obj`.
func runHealth(script string, object map[string]any) (verdict, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range libraries {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return verdict{}, err
		}
	}
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoFile(script); err != nil {
		return verdict{}, err
	}
	health, isTable := state.Get(-1).(*lua.LTable)
	if !isTable {
		return verdict{}, errors.New("the script gives no table")
	}
	return verdict{Status: lua.LVAsString(health.RawGetString("status")), Message: lua.LVAsString(health.RawGetString("message"))}, nil
}

// toLua is how Argo CD hands JSON to scripts: a null is nothing.
func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case string:
		return lua.LString(value)
	case []any:
		list := state.CreateTable(len(value), 0)
		for _, item := range value {
			list.Append(toLua(state, item))
		}
		return list
	case map[string]any:
		table := state.CreateTable(0, len(value))
		for name, member := range value {
			table.RawSetString(name, toLua(state, member))
		}
		return table
	}
	return lua.LNil
}
