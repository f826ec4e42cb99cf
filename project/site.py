"""The admin site: its name, its first page, and its menu."""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext_lazy as lazy

from library.wording import begin_with_a_capital
from project.logins import LogInForm


class RepriseSite(AdminSite):
    """The one admin site; Django makes it, because `project.apps` names it."""

    site_header = site_title = "Reprise"
    index_title: Any = lazy("Overview")
    site_url = None
    login_form = LogInForm

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Say to programs, too, that there were too many tries."""
        response = super().login(request, extra_context)
        form = (getattr(response, "context_data", None) or {}).get("form")
        if isinstance(form, LogInForm) and form.is_blocked:
            response.status_code = HTTPStatus.TOO_MANY_REQUESTS
            response["Retry-After"] = str(settings.LOGIN_BLOCK_MINUTES * 60)
        return response

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the dashboard above the menu."""
        from duplicates.admin.dashboard import dashboard_context  # noqa: PLC0415 (needs loaded models)

        return super().index(request, dashboard_context(request) | (extra_context or {}))

    def get_urls(self) -> list[Any]:
        return [path("monitoring/", self.admin_view(self.monitoring), name="monitoring"), *super().get_urls()]

    def monitoring(self, request: HttpRequest) -> TemplateResponse:
        """Show how everything is doing."""
        from duplicates.admin.monitoring import monitoring_view  # noqa: PLC0415 (needs loaded models)

        return monitoring_view(request, self.each_context(request))

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """List applications and their models by name, people last and iTunes written as its owner writes it."""
        applications = super().get_app_list(request, app_label)
        applications.sort(key=lambda application: application["app_label"] == "auth")
        for application in applications:
            for model in application["models"]:
                named = getattr(self._registry[model["model"]], "page_name", "")
                model["name"] = str(named) or begin_with_a_capital(model["model"]._meta.verbose_name_plural)
        return applications
