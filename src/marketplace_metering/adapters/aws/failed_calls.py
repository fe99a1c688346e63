"""What became of a request whose call raised: certainly not sent, or nobody knows (money rule 6).

Two things show for certain that nothing was sent: where the call broke off (PLACES), and a few
classes that are raised nowhere else than before sending (ROWS). All else is no answer, a class that
is not known here above all. The class alone says little: botocore raises ProxyConnectionError for
a proxy that is dead, and for one that drops the connection after it has passed the request on;
SSLError for a certificate that is wrong, and for an answer that cannot be deciphered.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator
from inspect import unwrap
from traceback import walk_tb
from types import CodeType, FrameType
from typing import NamedTuple

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from marketplace_metering.core.outcome import Fault, Lost, RequestRefused, read_error

OPERATION = "BatchMeterUsage"
# What the errors say goes into the ledger and to people; a proxy's URL may hold its password.
PASSWORD = re.compile(r"[^\s/\"'@]+:[^\s/\"'@]*@")
BAD_PROXY = "The address of the proxy cannot be read: look at HTTPS_PROXY and HTTP_PROXY"


class Place(NamedTuple):
    """Functions of the SDK during which no byte of the request has left."""

    doing: str
    fault: Fault
    functions: tuple[str, ...]


PROXY_SETTINGS = Place(
    "the proxy's settings were being read",
    Fault.ACCOUNT,
    (
        "botocore.httpsession:ProxyConfiguration.proxy_url_for",
        "botocore.httpsession:ProxyConfiguration.proxy_headers_for",
        "urllib3.poolmanager:proxy_from_url",
        "urllib3.poolmanager:PoolManager.connection_from_url",
    ),
)
PLACES = (
    Place(
        "the request was being written",
        Fault.ACCOUNT,
        ("botocore.validate:ParamValidationDecorator.serialize_to_request",),
    ),
    Place(
        "credentials were being fetched, or the request signed",
        Fault.ACCOUNT,
        ("botocore.signers:RequestSigner.sign",),
    ),
    PROXY_SETTINGS,
    Place(
        "the connection was being made (name, proxy, TLS)",
        Fault.UNREACHABLE,
        ("urllib3.connection:HTTPConnection.connect", "urllib3.connection:HTTPSConnection.connect"),
    ),
)


class Row(NamedTuple):
    """Exceptions that mean the same wherever they are raised."""

    fault: Fault | None  # None: the class alone is no answer
    why: str
    names: str


# Every exception of botocore.exceptions and of urllib3.exceptions.
BOTOCORE = (
    Row(
        Fault.UNREACHABLE,
        "no connection came about: a name that is not found, a port that is closed, no answer",
        "EndpointConnectionError ConnectTimeoutError",
    ),
    Row(
        Fault.ACCOUNT,
        "there are no credentials, or they cannot be fetched or renewed: nothing was signed",
        "NoCredentialsError PartialCredentialsError CredentialRetrievalError "
        "UnknownCredentialError NoAuthTokenError TokenRetrievalError UnknownTokenProviderError "
        "RefreshWithMFAUnsupportedError MetadataRetrievalError InvalidIMDSEndpointError "
        "InvalidIMDSEndpointModeError SSOError SSOTokenLoadError UnauthorizedSSOTokenError "
        "LoginError LoginRefreshRequired LoginInsufficientPermissions LoginTokenLoadError "
        "LoginAuthorizationCodeError",
    ),
    Row(
        Fault.ACCOUNT,
        "a setting of the SDK is missing or wrong: it knows no endpoint, or no way to sign",
        "NoRegionError UnknownRegionError InvalidRegionError ServiceNotInRegionError "
        "BaseEndpointResolverError EndpointVariantError UnknownEndpointError "
        "UnknownFIPSEndpointError EndpointProviderError EndpointResolutionError "
        "UnknownEndpointResolutionBuiltInName InvalidEndpointConfigurationError "
        "UnknownSignatureVersionError UnsupportedSignatureVersionError ProfileNotFound "
        "ConfigNotFound ConfigParseError InvalidConfigError InfiniteLoopConfigError "
        "InvalidProxiesConfigError InvalidSTSRegionalEndpointsConfigError "
        "MissingDependencyException",
    ),
    Row(
        Fault.ACCOUNT,
        "the SDK refuses to write the request",
        "ParamValidationError MissingParametersError UnknownParameterError",
    ),
    Row(
        None,
        "AWS, or what stands before it, answered: its code and status say more",
        "ClientError",
    ),
    Row(
        None,
        "the connection broke: before the request left, or after; only the place can tell",
        "ConnectionError ConnectionClosedError ReadTimeoutError SSLError ProxyConnectionError "
        "HTTPClientError",
    ),
    Row(
        None,
        "an answer came, but not whole",
        "ResponseStreamingError IncompleteReadError ChecksumError FlexibleChecksumError "
        "EventStreamError AwsChunkedWrapperError",
    ),
    Row(
        None,
        "not raised by a request as ours, as far as we know",
        "BotoCoreError DataNotFoundError UnknownServiceError ApiVersionNotFoundError "
        "ValidationError UnknownKeyError RangeError AliasConflictParameterError "
        "UnknownServiceStyle PaginationError OperationNotPageableError UnseekableStreamError "
        "WaiterError WaiterConfigError InvalidExpressionError UnknownClientMethodError "
        "UnsupportedTLSVersionWarning ImminentRemovalWarning InvalidDNSNameError "
        "InvalidS3AddressingStyleError UnsupportedS3ArnError UnsupportedS3ControlArnError "
        "InvalidHostLabelError UnsupportedOutpostResourceError UnsupportedS3ConfigurationError "
        "UnsupportedS3AccesspointConfigurationError InvalidEndpointDiscoveryConfigurationError "
        "UnsupportedS3ControlConfigurationError InvalidRetryConfigurationError "
        "InvalidMaxRetryAttemptsError InvalidRetryModeError "
        "InvalidS3UsEast1RegionalEndpointConfigError StubResponseError StubAssertionError "
        "UnStubbedResponseError MD5UnavailableError UndefinedModelAttributeError "
        "MissingServiceIdError CapacityNotAvailableError InvalidDefaultsMode "
        "InvalidChecksumConfigError UnsupportedServiceProtocolsError",
    ),
)
URLLIB3 = (
    Row(
        None,
        "botocore hands its own over instead; what is below it is looked at for the place only",
        "HTTPError PoolError RequestError SSLError ProxyError DecodeError ProtocolError "
        "MaxRetryError HostChangedError TimeoutStateError TimeoutError ReadTimeoutError "
        "ConnectTimeoutError NewConnectionError NameResolutionError EmptyPoolError FullPoolError "
        "ClosedPoolError LocationValueError LocationParseError URLSchemeUnknown ResponseError "
        "ResponseNotChunked BodyNotHttplibCompatible IncompleteRead InvalidChunkLength "
        "InvalidHeader ProxySchemeUnknown ProxySchemeUnsupported HeaderParsingError "
        "UnrewindableBodyError",
    ),
    Row(
        None,
        "a warning, which interrupts nothing",
        "HTTPWarning SecurityWarning InsecureRequestWarning NotOpenSSLWarning SystemTimeWarning "
        "InsecurePlatformWarning DependencyWarning",
    ),
)
ROWS = {"botocore.exceptions": BOTOCORE, "urllib3.exceptions": URLLIB3}
_FAULT_BY_CLASS = {
    f"{module}.{name}": row.fault
    for module, rows in ROWS.items()
    for row in rows
    if row.fault is not None
    for name in row.names.split()
}


def code_of(function: str) -> CodeType | None:
    """What runs when the function is called, or None if this SDK has none of that name: then no
    place is recognised by it, and what breaks off there is no answer.

    A tracer that came first runs one wrapper for all functions, also for the one that sends the
    request: so only code of the function's own name is taken for it.
    """
    try:
        found: CodeType = unwrap(pkgutil.resolve_name(function)).__code__
    except (ImportError, AttributeError):
        return None
    return found if found.co_qualname == function.partition(":")[2] else None


_PLACE_BY_CODE = {code_of(name): place for place in PLACES for name in place.functions}
_URLOPEN = code_of("urllib3.connectionpool:HTTPConnectionPool.urlopen")


def read_failure(
    error: Exception, handled_before: BaseException | None = None
) -> RequestRefused | Lost:
    """What the error says about the request.

    `handled_before` is what was being handled when the call began: Python chains it to whatever
    is raised meanwhile, and it says nothing about this request.
    """
    chain = list(_chain(error, handled_before))
    code, place = type(error).__name__, _place(chain)
    words = BAD_PROXY if place is PROXY_SETTINGS else _words(chain)
    if place is not None:
        code, fault = _blame(error, place)
        return RequestRefused(fault, code, f"{words}. Nothing was sent: {place.doing}")
    known = _FAULT_BY_CLASS.get(f"{type(error).__module__}.{code}")
    if known is None or _was_tried_again(chain):
        return Lost(f"{code}: {words}")
    return RequestRefused(known, code, words)


def is_of_another_call(error: ClientError) -> bool:
    """Whether it answers no request of ours, but one that was made for its credentials."""
    return error.operation_name != OPERATION


def _blame(error: Exception, place: Place) -> tuple[str, Fault]:
    """What it is called, and whose fault it is, that nothing was sent."""
    is_network = isinstance(error, ConnectionError | HTTPClientError)
    if is_network and place is not PROXY_SETTINGS:
        # Also while credentials are fetched: whoever hands them out was not reached.
        return type(error).__name__, Fault.UNREACHABLE
    if not isinstance(error, ClientError):
        return type(error).__name__, place.fault
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    match read_error(code, status, ""):
        case Lost():
            return code, Fault.UNREACHABLE
        case RequestRefused(Fault.THROTTLED):
            return code, Fault.THROTTLED
        case _:
            return code, Fault.ACCOUNT


def _chain(error: BaseException, handled_before: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it was made of, down to the first cause."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and link is not handled_before and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _place(chain: list[BaseException]) -> Place | None:
    """Where the call broke off, if nothing can have been sent by then."""
    if _was_tried_again(chain):
        return None
    codes = (frame.f_code for link in chain for frame in _frames(link))
    return next((_PLACE_BY_CODE[code] for code in codes if code in _PLACE_BY_CODE), None)


def _was_tried_again(chain: list[BaseException]) -> bool:
    """Whether urllib3 tried more than once, or may have: then an earlier try may have sent it.

    Each try is a frame of its own; one that raises its error again is in the traceback twice.
    Where the function that tries is not found in this SDK, nobody can count.
    """
    if _URLOPEN is None:
        return True
    return any(len({id(f) for f in _frames(link) if f.f_code is _URLOPEN}) > 1 for link in chain)


def _frames(error: BaseException) -> list[FrameType]:
    """What was running when it was raised, from the outermost function to the innermost."""
    return [frame for frame, _line in walk_tb(error.__traceback__)]


def _words(chain: list[BaseException]) -> str:
    """What the error says, and its first cause: "Failed to connect to proxy" explains nothing."""
    said, cause = str(chain[0]), str(chain[-1].args[-1]) if chain[-1].args else ""
    whole = said if not cause or cause in said else f"{said} ({cause})"
    return PASSWORD.sub("***@", whole)
