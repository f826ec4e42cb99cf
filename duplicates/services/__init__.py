"""What happens: verbs, one business area a module. Admin, API, commands and tasks call these and decide nothing."""
