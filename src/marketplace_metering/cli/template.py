"""`metering template`: the CloudFormation template, for deploying with other tools."""

from __future__ import annotations

from pathlib import Path

import click

from marketplace_metering.cli.options import Failure
from marketplace_metering.cli.render import note
from marketplace_metering.deploy import template as templates
from marketplace_metering.deploy.package import PackageError, build


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write template.yaml and lambda.zip there, for `aws cloudformation package`.",
)
def template(output: Path | None) -> None:
    """Print the CloudFormation template, or write it with its package into a folder."""
    if output is None:
        click.echo(templates.read(), nl=False)
        return
    try:
        package = build(output / templates.PACKAGE_FILE)
    except PackageError as error:
        raise Failure(str(error)) from error
    path = output / templates.TEMPLATE_FILE
    path.write_text(templates.read(), encoding="utf-8")
    note(f"wrote {path} and {package.path} ({package.size_bytes:,} bytes)")
    note(f"package: sha256 {package.sha256}, CodeSha256 {package.code_sha256}")
