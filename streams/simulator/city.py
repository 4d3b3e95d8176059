"""The place: nine districts that do not exist, their institutions with terminals and coordinates, and who goes where."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import cos, exp, hypot, radians
from random import Random
from typing import Final

from schemas.settlement import Settlement
from streams.simulator.catalogue import packed
from streams.simulator.chance import Choice, pick

SETTLEMENT_NAMES: Final = dict(zip(Settlement.__struct_fields__, Settlement.__struct_encode_fields__, strict=True))
"""Field name -> wire name of a settlement."""

PHARMACY_LEVEL: Final = "11"
POOLING_AREA: Final = "329900"
VISITS_A_DAY: Final = 0.045
"""Hospital visits per person and day, by which counters are sized."""

_CENTRE: Final = (32.05, 120.86)  # latitude, longitude
_KM_PER_DEGREE: Final = 111.2
# name, streets its institutions are named after, offset of its centre from the city's in km (east, north), share of homes, spread in km
_DISTRICTS: Final = (
    ("云岫区", ("桂影", "鹤坪", "书院"), (0.0, 0.0), 0.19, 2.4), ("望潮区", ("听澜", "渔火", "长堤"), (7.5, -1.5), 0.15, 2.3),
    ("青禾区", ("麦浪", "稻香", "柳溪"), (-7.0, 2.0), 0.13, 2.6), ("石澜区", ("采石", "砚池", "古井"), (1.5, 8.5), 0.12, 2.6),
    ("枫浦区", ("枫桥", "霜叶", "晚照"), (-1.0, -8.5), 0.11, 2.8), ("松月区", ("松涛", "抱月", "云台"), (11.0, 9.5), 0.09, 3.0),
    ("鹭汀区", ("白沙", "芦荡", "归帆"), (13.5, -10.5), 0.08, 3.2), ("临溪县", ("溪头", "竹坞", "茶亭"), (-14.5, 12.0), 0.07, 3.8),
    ("海霞县", ("盐场", "朝霞", "灯塔"), (-13.0, -12.5), 0.06, 3.8),
)  # fmt: skip
_CHAINS: Final = ("禾岚大药房", "霁月大药房", "澜青药房", "知夏药房", "松间堂药房")

_INSTITUTION: Final = "".join(
    f'"{SETTLEMENT_NAMES[name]}":"%s",' for name in ("institution_id", "institution_name", "institution_level", "area")
)
Place = tuple[float, float]


@dataclass(slots=True, eq=False)
class Institution:
    """A hospital (level 03, 02 or 01 = community centre) or a pharmacy; ``place`` in km from the city's centre."""

    code: str
    name: str
    level: str
    area: str
    place: Place
    terminals: tuple[str, ...]
    size: float = 1.0
    fragment: str = field(init=False)

    def __post_init__(self) -> None:
        self.fragment = packed(_INSTITUTION % (self.code, self.name, self.level, self.area))

    @property
    def pharmacy(self) -> bool:
        """True for a pharmacy, False for a hospital or community centre."""
        return self.level == PHARMACY_LEVEL


@dataclass(slots=True, eq=False)
class Neighbourhood:
    """About a square kilometre of homes and, by size and distance, where its people go."""

    area: str
    place: Place
    pharmacies: Choice[Institution]
    hospitals: Choice[Institution]
    centre: Institution
    dialysis: Institution


class City:
    """Institutions for ``persons`` insured persons, and neighbourhoods made as homes need them."""

    def __init__(self, persons: int, rng: Random, *, pharmacies: int | None = None) -> None:
        self.districts = tuple((f"3299{number:02d}", *row) for number, row in enumerate(_DISTRICTS, start=1))
        self.pharmacies: list[Institution] = []
        self.hospitals: list[Institution] = []
        self._serial = 0
        self._neighbourhoods: dict[tuple[int, int, int], Neighbourhood] = {}
        self._homes = Choice(list(range(len(_DISTRICTS))), [row[3] for row in _DISTRICTS])
        self._found_hospitals(persons, rng)
        self._found_pharmacies(pharmacies or 18 + persons // 60, rng)

    @property
    def institutions(self) -> list[Institution]:
        """All of them, hospitals first."""
        return self.hospitals + self.pharmacies

    def home(self, rng: Random) -> Neighbourhood:
        """A neighbourhood to live in, denser towards the district centres."""
        district = self._homes.draw(rng)
        x, y = self._around(district, rng)
        cell = (district, round(x), round(y))
        found = self._neighbourhoods.get(cell)
        if found is None:
            found = self._neighbourhoods[cell] = self._neighbourhood(district, (cell[1], cell[2]))
        return found

    def rows(self) -> list[tuple[str, ...]]:
        """The rows of the institution reference file, in the order of its columns."""
        rows: list[tuple[str, ...]] = []
        for one in self.institutions:
            latitude = _CENTRE[0] + one.place[1] / _KM_PER_DEGREE
            longitude = _CENTRE[1] + one.place[0] / (_KM_PER_DEGREE * cos(radians(_CENTRE[0])))
            kind = "2" if one.pharmacy else "1"
            rows.append((one.code, one.name, kind, one.level, one.area, f"{latitude:.5f}", f"{longitude:.5f}"))
        return rows

    def _around(self, district: int, rng: Random) -> Place:
        (x, y), spread = _DISTRICTS[district][2], _DISTRICTS[district][4]
        # gauss() keeps a spare value between calls; normalvariate() draws the same whatever was drawn before
        return rng.normalvariate(x, spread), rng.normalvariate(y, spread)

    def _found(
        self, letter: str, name: str, level: str, district: int, place: Place, terminals: int, size: float
    ) -> None:
        self._serial += 1
        area = self.districts[district][0]
        code = f"{letter}{area}{self._serial:05d}"
        devices = tuple(f"{code}-T{number}" for number in range(1, terminals + 1))
        one = Institution(code, name, level, area, place, devices, size)
        (self.pharmacies if one.pharmacy else self.hospitals).append(one)

    def _found_hospitals(self, persons: int, rng: Random) -> None:
        visits = persons * VISITS_A_DAY
        top = 3 + persons // 60_000
        for number in range(top):
            district = (0, 1, 2, 3, 4)[number % 5]
            name = f"{_DISTRICTS[district][0]}{('中心', '中医', '妇幼', '第二')[number // 5 % 4]}医院"
            self._found("H", name, "03", district, self._around(district, rng), 3 + int(visits * 0.3 / top / 5), 3.0)
        for district, row in enumerate(_DISTRICTS):
            terminals = 3 + int(visits * 0.35 * row[3] / 5)
            self._found("H", f"{row[0]}医院", "02", district, self._around(district, rng), terminals, 1.5)
        centres = max(2, persons // 12_000)
        for district, row in enumerate(_DISTRICTS):
            for number in range(centres):
                street = row[1][number % len(row[1])]
                name = f"{row[0]}{street}{('', '第二', '第三')[number // 3 % 3]}社区卫生服务中心"
                terminals = 2 + int(visits * 0.35 * row[3] / centres / 5)
                self._found("H", name, "01", district, self._around(district, rng), terminals, 1.0)

    def _found_pharmacies(self, count: int, rng: Random) -> None:
        shops = [0] * len(_DISTRICTS)
        for number in range(count):
            district = number if number < len(_DISTRICTS) else self._homes.draw(rng)
            shops[district] += 1
            size = rng.uniform(0.5, 1.5)
            name = f"{pick(rng, _CHAINS)}{_DISTRICTS[district][0][:2]}{pick(rng, _DISTRICTS[district][1])}{shops[district]}店"
            place = self._around(district, rng)
            self._found("P", name, PHARMACY_LEVEL, district, place, 1 + (size > 0.8) + (size > 1.2), size)

    def _neighbourhood(self, district: int, place: Place) -> Neighbourhood:
        area = self.districts[district][0]
        near = [(_distance(one.place, place), one) for one in self.pharmacies if one.area == area]
        near.sort(key=lambda pair: (pair[0], pair[1].code))
        shops = near[:12]
        pharmacies = Choice([one for _, one in shops], [one.size * exp(-away / 1.5) + 1e-6 for away, one in shops])
        reach = {"01": 2.0, "02": 5.0, "03": 9.0}
        wards = [
            (one, one.size * exp(-_distance(one.place, place) / reach[one.level]) + 1e-6) for one in self.hospitals
        ]
        wards.sort(key=lambda pair: (-pair[1], pair[0].code))
        wards = wards[:8]
        centre = min(
            (one for one in self.hospitals if one.level == "01" and one.area == area),
            key=lambda one: (_distance(one.place, place), one.code),
        )
        dialysis = min(
            (one for one in self.hospitals if one.level in ("02", "03")),
            key=lambda one: (_distance(one.place, place), one.code),
        )
        hospitals = Choice([one for one, _ in wards], [weight for _, weight in wards])
        return Neighbourhood(area, place, pharmacies, hospitals, centre, dialysis)


def _distance(a: Place, b: Place) -> float:
    return hypot(a[0] - b[0], a[1] - b[1])
