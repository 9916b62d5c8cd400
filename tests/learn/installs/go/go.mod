module counter.corp.example/counter

go 1.17

require (
	code.corp.example/drawer v0.2.0
	code.corp.example/till v1.0.0
)
