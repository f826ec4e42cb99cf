"""Where everything answers."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from project.apps import load_admin_pages

load_admin_pages()

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include("duplicates.api.urls")),
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
]
