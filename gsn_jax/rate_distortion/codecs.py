"""Codecs: those of Pillow, imagecodecs and ajpegli by name, and any program by its command line."""

from __future__ import annotations

import dataclasses
import io
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from gsn_jax.errors import InputError
from gsn_jax.rate_distortion.codec_libraries import LIBRARY, Pixels

# Pillow's names of formats, and the suffixes of encoded files.
_SUFFIXES = {"JPEG": ".jpg", "WEBP": ".webp", "AVIF": ".avif", "JPEG2000": ".jp2", "PNG": ".png"}
_JXL_STARTS = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")

# Seconds that a program may take for one file.
_TIMEOUT = 600


class Codec(Protocol):
    """Encodes and decodes images in memory."""

    @property
    def name(self) -> str:
        """Name of the codec."""
        ...

    def identity(self) -> str:
        """What the bytes depend on besides the image and the quality: library and version."""
        ...

    def encode(self, image: Pixels, quality: float) -> bytes:
        """The encoded file.

        Raises:
            InputError: it cannot be encoded.
        """
        ...

    def decode(self, data: bytes) -> Pixels:
        """The pixels of an encoded file.

        Raises:
            InputError: it cannot be decoded.
        """
        ...

    def is_readable(self, data: bytes) -> bool:
        """Whether an encoded file can be scored as it is; otherwise it is decoded to PNG."""
        ...


@dataclasses.dataclass(frozen=True)
class LibraryCodec:
    """A codec of an installed library.

    Attributes:
        name: a key of `LIBRARY`.
    """

    name: str

    def identity(self) -> str:
        """See `Codec`."""
        return LIBRARY[self.name].identity()

    def encode(self, image: Pixels, quality: float) -> bytes:
        """See `Codec`."""
        try:
            return LIBRARY[self.name].encode(image, quality)
        except (ValueError, RuntimeError, OSError) as error:
            raise InputError(f"{self.name} cannot encode quality {quality:g} ({error})") from None

    def decode(self, data: bytes) -> Pixels:
        """See `Codec`."""
        return decode(data, f"the file that {self.name} encoded")

    def is_readable(self, data: bytes) -> bool:
        """See `Codec`."""
        return not data.startswith(_JXL_STARTS)


@dataclasses.dataclass(frozen=True)
class ProgramCodec:
    """A codec whose encoder and, if needed, decoder are external programs.

    Each word of a command may contain `{in}`, `{out}` and, for the encoder, `{q}`. Commands run
    without a shell. The encoder reads a PNG file; its `{out}` is a path without suffix, so write
    `{out}.avif` to add one. The decoder writes the PNG file `{out}`.

    Attributes:
        name: name of the codec.
        encoder: words of the encoder's command.
        decoder: words of the decoder's command; () for formats that `decode` reads.
    """

    name: str
    encoder: tuple[str, ...]
    decoder: tuple[str, ...] = ()

    def identity(self) -> str:
        """See `Codec`; the version of a program is not known."""
        return shlex.join((*self.encoder, "|", *self.decoder))

    def encode(self, image: Pixels, quality: float) -> bytes:
        """See `Codec`."""
        with tempfile.TemporaryDirectory() as name:
            source, target = Path(name, "in.png"), Path(name, "out")
            Image.fromarray(image).save(source, compress_level=1)
            self._run(self.encoder, {"in": source, "out": target, "q": f"{quality:g}"})
            made = [path for path in Path(name).iterdir() if path.name.startswith("out")]
            if len(made) != 1:
                raise InputError(
                    f"{self.name}: {shlex.join(self.encoder)} wrote {len(made)} files "
                    "for {out}; it must write one"
                )
            return made[0].read_bytes()

    def decode(self, data: bytes) -> Pixels:
        """See `Codec`."""
        if not self.decoder:
            advice = f"give --decoder '{self.name}=PROGRAM {{in}} {{out}}'"
            return decode(data, f"the file that {self.name} encoded", advice)
        with tempfile.TemporaryDirectory() as name:
            source, target = Path(name, f"in{suffix_of(data, '')}"), Path(name, "out.png")
            source.write_bytes(data)
            self._run(self.decoder, {"in": source, "out": target})
            program = f"{self.name}: {shlex.join(self.decoder)}"
            try:
                written = target.read_bytes()
            except OSError:
                raise InputError(f"{program} did not write {{out}}") from None
            return decode(written, f"{program}: what it wrote as {{out}}", "it must write PNG")

    def is_readable(self, data: bytes) -> bool:
        """See `Codec`."""
        return not self.decoder and not data.startswith(_JXL_STARTS)

    def _run(self, words: Sequence[str], values: dict[str, Any]) -> None:
        command = [_filled(word, values) for word in words]
        try:
            done = subprocess.run(
                command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_TIMEOUT
            )
        except OSError as error:
            raise InputError(f"{self.name}: {words[0]}: {error.strerror or error}") from None
        except subprocess.TimeoutExpired:
            raise InputError(f"{self.name}: {words[0]} took more than {_TIMEOUT} s") from None
        if done.returncode:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            reason = said.splitlines()[-1] if said else f"exit code {done.returncode}"
            raise InputError(f"{self.name}: {shlex.join(words)} failed: {reason}")


def _filled(word: str, values: dict[str, Any]) -> str:
    return re.sub(r"\{(in|out|q)\}", lambda m: str(values.get(m[1], m[0])), word)


def parse_program(option: str, text: str, needed: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Name and words of a command like `name=cjxl {in} {out} -q {q}`.

    Args:
        option: name of the option, for error messages.
        text: value of the option.
        needed: placeholders that the command must contain.

    Raises:
        InputError: the text has no name or no command, or lacks a placeholder.
    """
    name, _, command = text.partition("=")
    name = name.strip()
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise InputError(f"{option} {text}: {error}") from None
    if not _NAME.fullmatch(name) or not words:
        example = "NAME=PROGRAM {in} {out}" + " -q {q}" * ("q" in needed)
        raise InputError(f"{option} {text}: give a name and a command, as in {option} '{example}'")
    for key in needed:
        if not any(f"{{{key}}}" in word for word in words[1:]):
            raise InputError(f"{option} {name}: the command lacks {{{key}}}; add it")
    return name, words


def choose(names: Sequence[str], encoders: Sequence[str], decoders: Sequence[str]) -> list[Codec]:
    """The codecs of the options `--codec`, `--encoder` and `--decoder`.

    Args:
        names: names of library codecs.
        encoders: commands `name=...` with `{in}`, `{out}` and `{q}`.
        decoders: commands `name=...` with `{in}` and `{out}`; each name is that of an encoder.

    Raises:
        InputError: a name is unknown or given twice, a library or program is missing, or a command
            is wrong.
    """
    codecs: list[Codec] = []
    for name in names:
        if name not in LIBRARY:
            raise InputError(
                f"--codec {name}: no such codec; choose from {', '.join(LIBRARY)}, or use any "
                "program with --encoder 'NAME=PROGRAM {in} {out} -q {q}'"
            )
        LIBRARY[name].identity()
        codecs.append(LibraryCodec(name))
    programs: dict[str, tuple[str, ...]] = {}
    for text in decoders:
        name, words = parse_program("--decoder", text, ("in", "out"))
        if name in programs:
            raise InputError(f"--decoder {name}: given twice; give one decoder per encoder")
        programs[name] = words
    for text in encoders:
        name, words = parse_program("--encoder", text, ("in", "out", "q"))
        codec = ProgramCodec(name, words, programs.pop(name, ()))
        for command in filter(None, (codec.encoder, codec.decoder)):
            if shutil.which(command[0]) is None:
                raise InputError(f"{name}: no such program: {command[0]}; check its name and path")
        codecs.append(codec)
    if programs:
        raise InputError(
            f"--decoder {next(iter(programs))}: no --encoder has that name; use its encoder's name"
        )
    every = [codec.name for codec in codecs]
    if twice := [name for name in every if every.count(name) > 1]:
        raise InputError(f"two codecs are named {twice[0]}; give each its own name")
    return codecs


def decode(data: bytes, what: str, advice: str = "choose another quality or codec") -> Pixels:
    """The pixels of a file in JPEG XL or a format that Pillow reads.

    Args:
        data: the file.
        what: what to call it in an error message.
        advice: what to do if it cannot be decoded.

    Raises:
        InputError: the file cannot be decoded.
    """
    try:
        if data.startswith(_JXL_STARTS):
            import imagecodecs

            return np.asarray(imagecodecs.jpegxl_decode(data, numthreads=1))
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # decoders may raise anything
        reason = str(error).replace("<_io.BytesIO object", "bytes") or type(error).__name__
        raise InputError(f"{what} cannot be decoded ({reason[:200]}); {advice}") from None


def suffix_of(data: bytes, otherwise: str) -> str:
    """The suffix for the format of the content; `otherwise` if the format is unknown."""
    if data.startswith(_JXL_STARTS):
        return ".jxl"
    try:
        with Image.open(io.BytesIO(data)) as image:
            return _SUFFIXES.get(image.format or "", otherwise)
    except Exception:
        return otherwise
