"""Accounts and sessions: register, sign in, sign out, close an account, find the user of a session token."""

import hashlib
import logging
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, bindparam, delete, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import Session, col, select

from store_app import limits
from store_app.accounts import passwords, usernames
from store_app.addresses import address_group
from store_app.db.threads import in_database_thread
from store_app.db.unit_of_work import UnitOfWork, read_session, unit_of_work
from store_app.errors import Invalid, NameTaken, NotYours, WrongPassword
from store_app.failpoints import failpoint
from store_app.languages import gettext as _
from store_app.limits import Limit
from store_app.models import CartLine, User, UserSession, utc_now
from store_app.models.base import UtcDateTime

logger = logging.getLogger(__name__)
# A session ends after the lifetime, or sooner when it is not used for the idle time.
SESSION_LIFETIME = timedelta(days=30)
SESSION_IDLE_TIME = timedelta(days=14)
# How old `last_seen_at` gets before it is written again: most requests write nothing.
LAST_SEEN_ACCURACY = timedelta(days=1)
# The message that follows the end of sessions: their connections are closed in every process.
SESSIONS_ENDED = "sessions_ended"
MIN_NAME_LENGTH, MAX_NAME_LENGTH = 3, 32
# Every request of a signed-in user runs one of these statements: building one costs more than running it.
_IS_OPEN = (
    col(UserSession.token_hash) == bindparam("hash"),
    col(UserSession.ended_at).is_(None),
    col(UserSession.expires_at) > bindparam("now", type_=UtcDateTime()),
    col(UserSession.last_seen_at) > bindparam("idle_since", type_=UtcDateTime()),
)
MAX_LISTED_SESSIONS = 20
_OPEN_SESSION = select(UserSession.token_hash).where(*_IS_OPEN)
_USER_OF_SESSION = (
    select(User.id, User.username, UserSession.last_seen_at)
    .join(UserSession, col(UserSession.user_id) == User.id)
    .where(*_IS_OPEN, col(User.closed_at).is_(None))
)


@dataclass(frozen=True, slots=True)
class CurrentUser:
    """The user of a request or an open tab, with the session that it uses."""

    user_id: str
    username: str
    session_hash: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session. The token is returned only here; the database keeps its hash."""

    token: str
    expires_at: datetime
    user_id: str


def username_key(username: str) -> str:
    """Return the form in which names are compared: normalized (NFKC) and without letter case."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username).casefold())


def name_rule() -> str:
    """Return the sentence that says which user names are accepted."""
    return _(
        "Enter a user name with {fewest} to {most} letters, digits, spaces or signs. It may not mix alphabets, "
        "begin with = + - or @, or be a word such as admin.",
        fewest=MIN_NAME_LENGTH,
        most=MAX_NAME_LENGTH,
    )


def _checked_username(username: str) -> str:
    name = unicodedata.normalize("NFKC", username[: MAX_NAME_LENGTH * 4]).strip()
    fits = MIN_NAME_LENGTH <= len(name) <= MAX_NAME_LENGTH and len(username) <= MAX_NAME_LENGTH * 4
    # Not printable: control, format, surrogate, private and unassigned characters, and line separators.
    if not fits or not name.isprintable() or usernames.is_misleading(name):
        raise Invalid("username", name_rule())
    return name


def token_hash(token: str) -> str:
    """Return the hash of a session token, which is what the database stores."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def wrong_fields(username: str, password: str) -> list[str]:
    """Return the names of the fields of a registration that are not accepted: "username", "password"."""
    found = []
    for check, arguments in ((_checked_username, (username,)), (passwords.check_strength, (password, username))):
        try:
            check(*arguments)
        except Invalid as refusal:
            found.append(refusal.field)
    return found


async def register(username: str, password: str, address: str) -> User:
    """Create an account. `address` is the caller's network address.

    Raises:
        Invalid: the name or the password is not acceptable.
        TooManyTries: too many accounts were created from this address.
        Busy: too many others register at the moment.
        NameTaken: the name is taken, in any letter case, or looks like one that is.
    """
    name = _checked_username(username)
    passwords.check_strength(password, name)
    await limits.count(Limit.REGISTRATIONS, address_group(address))
    hashed = await passwords.hash_password(password)
    user = User(
        username=name,
        username_key=username_key(name),
        username_skeleton=usernames.skeleton(name),
        password=hashed,
    )

    def save() -> None:
        with unit_of_work() as session:
            session.add(user)

    try:
        await in_database_thread(save)
    except IntegrityError:
        raise NameTaken from None
    return user


async def sign_in(username: str, password: str, address: str) -> SignedIn:
    """Check a name and password and open a session. `address` is the caller's network address.

    Raises:
        WrongPassword: unknown name or wrong password.
        TooManyTries: too many tries in the last minutes.
        Busy: too many others sign in at the moment.
    """
    # Unprintable names count as an empty one: no account has one.
    name = username[: MAX_NAME_LENGTH * 4] if username.isprintable() else ""
    key = username_key(name)[:128]
    group = address_group(address)
    await limits.count(Limit.SIGN_INS_PER_ADDRESS, group)
    # For a name from one address: a limit for the name alone would let anybody lock a user out.
    await limits.count(Limit.SIGN_INS_PER_NAME, key, group)
    user = await in_database_thread(_look_up, key)
    if not await passwords.password_matches(password, user.password if user else None) or user is None:
        raise WrongPassword
    await limits.forget(Limit.SIGN_INS_PER_NAME, key, group)
    return await in_database_thread(open_session, user.id)


def _look_up(key: str) -> User | None:
    with read_session() as session:
        return session.exec(select(User).where(User.username_key == key, col(User.closed_at).is_(None))).first()


def open_session(user_id: str) -> SignedIn:
    """Open a session for a user who has just been authenticated."""
    token = secrets.token_urlsafe(32)
    expires_at = (datetime.now(UTC) + SESSION_LIFETIME).replace(microsecond=0)
    with unit_of_work() as session:
        session.add(UserSession(token_hash=token_hash(token), user_id=user_id, expires_at=expires_at))
    return SignedIn(token, expires_at, user_id)


def find_current_user(token: str | None) -> CurrentUser | None:
    """Return the user whose open session has this token, or None.

    One indexed query; once a day also a statement that notes when the session was used.
    """
    if not token:
        return None
    hashed = token_hash(token)
    with read_session() as session:
        row = session.connection().execute(_USER_OF_SESSION, _open_now(hashed)).first()
    if row is None:
        return None
    if row.last_seen_at < utc_now() - LAST_SEEN_ACCURACY:
        _note_use(hashed)
    return CurrentUser(row.id, row.username, hashed)


def _open_now(session_hash: str) -> dict[str, object]:
    now = utc_now()
    return {"hash": session_hash, "now": now, "idle_since": now - SESSION_IDLE_TIME}


def _note_use(session_hash: str) -> None:
    now = utc_now()
    # Several requests may get here at once; the first one writes.
    is_old = col(UserSession.last_seen_at) < now - LAST_SEEN_ACCURACY
    which = (col(UserSession.token_hash) == session_hash, is_old)
    try:
        with unit_of_work() as work:
            work.execute(update(UserSession).where(*which).values(last_seen_at=now))
    except DBAPIError as error:
        # The user is known; the next request tries to write it again.
        logger.warning("the use of a session could not be noted: %s", error.orig)


def list_sessions(session: Session, user_id: str) -> Sequence[UserSession]:
    """Return a user's open sessions, newest first; at most `MAX_LISTED_SESSIONS`."""
    query = select(UserSession).where(UserSession.user_id == user_id, *_IS_OPEN[1:])
    newest = query.order_by(col(UserSession.created_at).desc()).limit(MAX_LISTED_SESSIONS)
    return session.exec(newest, params=_open_now("")).all()


def session_is_open(session: Session, session_hash: str) -> bool:
    """Whether the session with this hash is still open."""
    return session.connection().execute(_OPEN_SESSION, _open_now(session_hash)).first() is not None


def sign_out(current_user: CurrentUser) -> None:
    """End the current user's session, for open tabs too."""
    _sign_out(current_user.user_id, col(UserSession.token_hash) == current_user.session_hash)


def sign_out_everywhere(current_user: CurrentUser) -> None:
    """End all sessions of the current user, for open tabs too."""
    _sign_out(current_user.user_id, col(UserSession.user_id) == current_user.user_id)


def _sign_out(user_id: str, which: ColumnElement[bool]) -> None:
    with unit_of_work() as session:
        # Lock the user before the sessions, as `close_account` does, to avoid a deadlock: the outbox row refers to
        # the user.
        session.exec(select(User.id).where(User.id == user_id).with_for_update(key_share=True)).one()
        _end_sessions(session, user_id, which)
    failpoint("sign-out: committed")


def _end_sessions(work: UnitOfWork, user_id: str, which: ColumnElement[bool]) -> None:
    ended = update(UserSession).where(which, col(UserSession.ended_at).is_(None)).values(ended_at=utc_now())
    if hashes := work.execute(ended.returning(col(UserSession.token_hash))).scalars().all():
        work.messages.append((user_id, {"event": SESSIONS_ENDED, "sessions": [*hashes]}))


def lock_own_account(work: UnitOfWork, current_user: CurrentUser, user_id: str) -> None:
    """Lock the current user's own account, so that no order is placed for it until the commit.

    Raises:
        NotYours: `user_id` is another user's.
    """
    if current_user.user_id != user_id:
        raise NotYours
    work.exec(select(User.id).where(User.id == user_id).with_for_update(key_share=True)).one()


def close_account(work: UnitOfWork, user_id: str) -> None:
    """Close a locked account and end its sessions: see `orders.service.close_account`."""
    user = work.get_one(User, user_id)
    user.username, user.username_key, user.password = "Closed account", f"closed:{user.id}", ""
    user.username_skeleton, user.closed_at = None, utc_now()
    work.execute(delete(CartLine).where(col(CartLine.user_id) == user_id))
    _end_sessions(work, user_id, col(UserSession.user_id) == user_id)


def prune_sessions() -> None:
    """Delete sessions whose expiry passed more than `SESSION_LIFETIME` ago."""
    with unit_of_work() as session:
        session.execute(delete(UserSession).where(col(UserSession.expires_at) < utc_now() - SESSION_LIFETIME))
