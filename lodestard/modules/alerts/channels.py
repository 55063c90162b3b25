"""The ways to a person: a webhook and mail. Each delivers one alert or says why not.

Law: every delivery ends within its time, reads no more than a status, follows no redirect and uses no proxy; no
reason repeats a url's secret, a key or a password.
"""

import logging
import smtplib
import ssl
from functools import partial
from types import ModuleType

import trio

from lodestard.domain.news import Alert
from lodestard.modules.alerts.delivery import DeliveryError
from lodestard.modules.alerts.letters import write_letter, write_mail
from lodestard.modules.alerts.settings import SECRET_PLACE, Email, Webhook
from lodestard.runtime import Runtime

WEBHOOK_S = 15.0
MAIL_PARTS = 4
"""A mail takes several exchanges, each within ``timeout_s``; all together within this many times that."""
GOOD = range(200, 300)
REDIRECTS = range(300, 400)


class WebhookChannel:
    """A POST to a url."""

    name = "webhook"

    def __init__(self, runtime: Runtime, settings: Webhook) -> None:
        self._runtime = runtime
        self._settings = settings

    async def deliver(self, alert: Alert, at_ms: int) -> None:
        httpx = await trio.to_thread.run_sync(_import_httpx)
        try:
            with trio.fail_after(WEBHOOK_S):
                status = await self._post(httpx, alert, at_ms)
        except trio.TooSlowError:
            raise DeliveryError(f"no answer within {WEBHOOK_S:g} s") from None
        except httpx.HTTPError as error:
            raise DeliveryError(str(error) or type(error).__name__) from None
        except httpx.InvalidURL:
            raise DeliveryError("its url is none") from None
        except (LookupError, ValueError) as error:
            raise DeliveryError(str(error)) from None
        if status in REDIRECTS:
            raise DeliveryError(f"it redirects ({status}); set the url to where it goes")
        if status not in GOOD:
            raise DeliveryError(f"it answers {status}")

    async def _post(self, httpx: ModuleType, alert: Alert, at_ms: int) -> int:
        url, headers = self._settings.url, {}
        if self._settings.key is not None:
            key = self._runtime.secret(self._settings.key).reveal()
            if SECRET_PLACE in url:
                url = url.replace(SECRET_PLACE, key)
            else:
                headers = {"authorization": f"Bearer {key}"}
        letter = write_letter(alert, at_ms, self._settings.format)
        async with (
            self._runtime.open_origin(url, self.name) as transport,
            httpx.AsyncClient(transport=transport, trust_env=False, timeout=WEBHOOK_S) as client,
            client.stream("POST", url, content=letter.body, headers={**letter.headers, **headers}) as answer,
        ):
            return int(answer.status_code)


class EmailChannel:
    """A mail to everybody in ``to``, by SMTP on a worker thread: one at a time."""

    name = "email"

    def __init__(self, runtime: Runtime, settings: Email) -> None:
        self._runtime = runtime
        self._settings = settings
        self._one_at_a_time = trio.CapacityLimiter(1)

    async def deliver(self, alert: Alert, at_ms: int) -> None:
        settings = self._settings
        most_s = settings.timeout_s * MAIL_PARTS
        try:
            password = self._runtime.secret(settings.password).reveal() if settings.password is not None else ""
            with trio.fail_after(most_s):
                await trio.to_thread.run_sync(
                    partial(send_mail, settings, password, alert, at_ms),
                    abandon_on_cancel=True,
                    limiter=self._one_at_a_time,
                )
        except trio.TooSlowError:
            raise DeliveryError(f"the mail was not taken within {most_s:g} s") from None
        except (LookupError, smtplib.SMTPException, OSError, ValueError) as error:
            raise DeliveryError(describe_mail_error(error)) from None


def send_mail(settings: Email, password: str, alert: Alert, at_ms: int) -> None:
    """Blocks. Raises ``smtplib.SMTPException`` or ``OSError``. Taken for one recipient, it is delivered."""
    mail = write_mail(alert, at_ms, settings)
    with _connect(settings) as server:
        if settings.tls == "starttls":
            server.starttls(context=_trust(settings))
        if settings.user:
            server.login(settings.user, password)
        server.send_message(mail)


def _connect(settings: Email) -> smtplib.SMTP:
    if settings.tls == "tls":
        return smtplib.SMTP_SSL(settings.host, settings.port, timeout=settings.timeout_s, context=_trust(settings))
    return smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_s)


def _trust(settings: Email) -> ssl.SSLContext:
    """Certificates and host names are checked, against the system's authorities or those of ``ca_file``."""
    return ssl.create_default_context(cafile=settings.ca_file or None)


def describe_mail_error(error: Exception) -> str:
    """Why a mail was not taken, without what the server repeats of a log-in. Pure."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"it refuses the user or the password ({error.smtp_code})"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return f"it refuses every recipient ({', '.join(str(code) for code, _ in error.recipients.values())})"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"it answers {error.smtp_code}"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "it offers no STARTTLS, or no way to log in that we know"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _import_httpx() -> ModuleType:
    """httpx takes a tenth of a second to import: not on the loop's time. It would log urls, which may hold a key."""
    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)
    return httpx
